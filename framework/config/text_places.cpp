#include "config/text_places.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace modeldiff {
namespace {

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) == 0x80; }

/// Bytes of the character that begins with this one; 0 where none can.
std::size_t length_by_lead(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

/// Bytes of the well-formed UTF-8 character at the front, or 0. Surrogates and overlong forms are
/// not well formed.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const std::size_t length = length_by_lead(byte(0));
  if (length < 2) return length;
  if (text.size() < length) return 0;
  if (!std::all_of(text.begin() + 1, text.begin() + static_cast<std::ptrdiff_t>(length),
                   is_continuation)) {
    return 0;
  }
  const bool overlong = (byte(0) == 0xe0 && byte(1) < 0xa0) || (byte(0) == 0xf0 && byte(1) < 0x90);
  const bool beyond = (byte(0) == 0xed && byte(1) >= 0xa0) || (byte(0) == 0xf4 && byte(1) >= 0x90);
  return overlong || beyond ? 0 : length;
}

/// The byte where the first character stands that is no text, and why.
struct BadCharacter {
  std::size_t byte;
  std::string reason;
};

std::optional<BadCharacter> bad_character(std::string_view line) {
  for (std::size_t i = 0, length = 0; i < line.size(); i += length) {
    const auto lead = static_cast<unsigned char>(line[i]);
    length = utf8_length(line.substr(i));
    if (length == 0) return BadCharacter{i, fmt::format("the byte 0x{:02x} is not UTF-8", lead)};
    const bool control = (lead < 0x20 && lead != '\t') || lead == 0x7f;
    if (control) {
      return BadCharacter{i, fmt::format("the control character 0x{:02x} is not text", lead)};
    }
  }
  const std::size_t text = line.find_first_not_of(" \t");
  const std::size_t tab = line.find('\t');
  const bool indents = text != std::string_view::npos && line[text] != '#' && tab < text;
  if (indents) return BadCharacter{tab, "a tab in the indentation; YAML indents with spaces"};
  return std::nullopt;
}

}  // namespace

TextPlaces::TextPlaces(std::string_view text, std::string file)
    : text_(text), file_(std::move(file)), starts_{0} {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') starts_.push_back(i + 1);
  }
}

std::string_view TextPlaces::line(std::size_t index) const {
  if (index >= starts_.size()) return {};
  const std::size_t end = index + 1 < starts_.size() ? starts_[index + 1] - 1 : text_.size();
  return text_.substr(starts_[index], end - starts_[index]);
}

SourceLocation TextPlaces::at(std::size_t index, std::size_t byte) {
  const std::string_view text = line(index);
  byte = std::min(byte, text.size());
  if (index != last_line_ || byte < last_byte_) {
    last_line_ = index, last_byte_ = 0, last_column_ = 1;
  }
  for (; last_byte_ < byte; ++last_byte_) last_column_ += !is_continuation(text[last_byte_]);
  return {file_, static_cast<std::int64_t>(index) + 1, last_column_};
}

std::string with_plain_line_ends(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_windows_end = text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
    if (!is_windows_end) out += text[i];
  }
  return out;
}

void refuse_bad_characters(TextPlaces& places) {
  for (std::size_t number = 0; number < places.lines(); ++number) {
    if (auto bad = bad_character(places.line(number))) {
      throw ConfigError({{places.at(number, bad->byte), "", std::move(bad->reason)}});
    }
  }
}

}  // namespace modeldiff
