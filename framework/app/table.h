#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/console.h"

namespace modeldiff {

/// Characters of a UTF-8 text.
std::size_t text_width(std::string_view text);
/// At most `width` characters, the last of them "…" when it was cut.
std::string shortened(std::string text, std::size_t width);

/// Rows with aligned columns for a terminal.
class TextTable {
 public:
  /// @param titles of the columns; one that begins with ">" is aligned to the right
  explicit TextTable(std::vector<std::string> titles);

  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }
  /// @param indent blanks before each line
  void print(const Console& console, std::size_t indent = 0) const;

 private:
  std::vector<std::string> titles_;
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace modeldiff
