#include "app/table.h"

#include <algorithm>

namespace modeldiff {
namespace {

bool begins_character(unsigned char c) { return (c & 0xC0) != 0x80; }

}  // namespace

std::size_t text_width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

std::string shortened(std::string text, std::size_t width) {
  if (text_width(text) <= width) return text;
  std::size_t bytes = 0;
  for (std::size_t seen = 0; bytes < text.size(); ++bytes) {
    if (begins_character(static_cast<unsigned char>(text[bytes])) && ++seen == width) break;
  }
  return text.substr(0, bytes) + "…";
}

TextTable::TextTable(std::vector<std::string> titles) : titles_(std::move(titles)) {
  for (std::string& title : titles_) {
    right_.push_back(title.starts_with('>'));
    if (right_.back()) title.erase(0, 1);
  }
}

void TextTable::print(const Console& console, std::size_t indent) const {
  std::vector<std::size_t> widths;
  for (const std::string& title : titles_) widths.push_back(text_width(title));
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], text_width(row[i]));
  }
  const auto line = [&](const std::vector<std::string>& row) {
    std::string out(indent, ' ');
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string blanks(widths[i] - text_width(row[i]), ' ');
      out += right_[i] ? blanks + row[i] : row[i] + blanks;
      out += "  ";
    }
    out.erase(out.find_last_not_of(' ') + 1);
    return out;
  };
  console.result(console.dim(line(titles_)));
  for (const auto& row : rows_) console.result(line(row));
}

}  // namespace modeldiff
