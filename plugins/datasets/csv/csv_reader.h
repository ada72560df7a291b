#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace modeldiff {

/// A table as text.
struct CsvTable {
  std::string name;  // the file, for error texts
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::int64_t> lines;  // where each row begins, counted from 1
};

/// Reads comma separated values with a header line: fields in "..." may hold commas, line ends and
/// "" for a quote; lines end with LF or CRLF; empty lines are passed over.
/// @throws DataError with line (and column) on a ragged row, an open quote, text after a closing
/// quote, a column name
///         that is empty or repeated, or no rows
CsvTable parse_csv(std::string_view text, const std::string& name);

/// @throws DataError as parse_csv, and when the file cannot be read or has more than 4 GiB
CsvTable read_csv(const std::filesystem::path& path);

/// The number in one field.
/// @throws DataError with line and column name when the field is empty, text, or not finite
double number_at(const CsvTable& table, std::size_t row, std::size_t column);

}  // namespace modeldiff
