#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "modeldiff/core/error.h"

namespace modeldiff {

/// Lines and columns of a text. Lines count from 0 and columns in bytes on the way in; both count
/// from 1, and columns in characters, on the way out.
class TextPlaces {
 public:
  /// @param text must outlive the places
  TextPlaces(std::string_view text, std::string file);

  const std::string& file() const { return file_; }
  std::size_t lines() const { return starts_.size(); }
  /// Without its end; "" beyond the last line.
  std::string_view line(std::size_t index) const;
  /// A column behind the end of its line stands for the end. Asked in the order of the text, a long
  /// line is gone through once.
  SourceLocation at(std::size_t line, std::size_t byte);

 private:
  std::string_view text_;
  std::string file_;
  std::vector<std::size_t> starts_;
  std::size_t last_line_ = 0, last_byte_ = 0;
  std::int64_t last_column_ = 1;
};

/// CR LF -> LF, and no byte order mark.
std::string with_plain_line_ends(std::string_view text);

/// Bytes that are not UTF-8, control characters, and tabs in the indentation: what no experiment
/// file needs and what a parser may stumble over.
/// @throws ConfigError at the first one
void refuse_bad_characters(TextPlaces& places);

}  // namespace modeldiff
