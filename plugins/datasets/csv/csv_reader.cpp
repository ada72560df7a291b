#include "csv_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/byte_reader.h"
#include "common/number_text.h"
#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

/// Walks through the text, one record at a time.
class CsvParser {
 public:
  CsvParser(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  bool done() const { return at_ == text_.size(); }
  std::int64_t line() const { return line_; }

  /// The fields of the next line; one empty field for an empty line.
  std::vector<std::string> next_record() {
    std::vector<std::string> fields;
    do {
      fields.push_back(text_.substr(at_).starts_with('"') ? quoted_field() : plain_field());
    } while (skip(","));
    if (!skip("\r\n") && !skip("\n") && !done()) fail("has text after a closing quote");
    return fields;
  }

 private:
  bool skip(std::string_view token) {
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    line_ += token.back() == '\n';
    return true;
  }

  std::string plain_field() {
    std::size_t end = std::min(text_.find_first_of(",\n", at_), text_.size());
    if (end > at_ && end < text_.size() && text_[end] == '\n' && text_[end - 1] == '\r') --end;
    std::string field(text_.substr(at_, end - at_));
    at_ = end;
    return field;
  }

  std::string quoted_field() {
    const std::int64_t opened = line_;
    std::string field;
    for (++at_;; ++at_) {
      if (done()) {
        line_ = opened;
        fail("opens a quote that is never closed");
      }
      if (text_[at_] == '"') {
        ++at_;
        if (done() || text_[at_] != '"') return field;
      }
      line_ += text_[at_] == '\n';
      field += text_[at_];
    }
  }

  [[noreturn]] void fail(std::string_view what) const {
    throw DataError(fmt::format("{}:{}: {}", name_, line_, what));
  }

  std::string_view text_;
  std::string name_;
  std::size_t at_ = 0;
  std::int64_t line_ = 1;
};

bool is_empty_line(const std::vector<std::string>& fields) {
  return fields.size() == 1 && fields[0].empty();
}

}  // namespace

CsvTable parse_csv(std::string_view text, const std::string& name) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  CsvTable table;
  table.name = name;
  CsvParser parser(text, name);
  while (!parser.done()) {
    const std::int64_t line = parser.line();
    std::vector<std::string> fields = parser.next_record();
    if (is_empty_line(fields)) continue;
    if (table.columns.empty()) {
      for (std::string& field : fields) field = trimmed(field);
      table.columns = std::move(fields);
      for (auto at = table.columns.begin(); at != table.columns.end(); ++at) {
        const auto number = at - table.columns.begin() + 1;
        if (at->empty())
          throw DataError(fmt::format("{}:{}: column {} has no name", name, line, number));
        if (std::find(table.columns.begin(), at, *at) != at) {
          throw DataError(fmt::format("{}:{}: column {} has the name '{}' of an earlier one", name,
                                      line, number, *at));
        }
      }
      continue;
    }
    if (fields.size() != table.columns.size()) {
      throw DataError(fmt::format("{}:{}: expected {} fields, found {}", name, line,
                                  table.columns.size(), fields.size()));
    }
    table.rows.push_back(std::move(fields));
    table.lines.push_back(line);
  }
  if (table.columns.empty()) throw DataError(name + ": has no header line");
  if (table.rows.empty()) throw DataError(name + ": has a header line but no rows");
  return table;
}

CsvTable read_csv(const std::filesystem::path& path) {
  constexpr std::uint64_t kMostFileBytes = std::uint64_t{4} << 30;
  return parse_csv(read_file(path, kMostFileBytes), path.string());
}

double number_at(const CsvTable& table, std::size_t row, std::size_t column) {
  const std::string& field = table.rows[row][column];
  if (const auto value = parse_number(field)) return *value;
  const bool missing = trimmed(field).empty();
  throw DataError(fmt::format(
      "{}:{}: column '{}' {}", table.name, table.lines[row], table.columns[column],
      missing ? std::string("has no value")
              : fmt::format("holds '{}', which is no finite number; `drop` leaves a column out",
                            field)));
}

}  // namespace modeldiff
