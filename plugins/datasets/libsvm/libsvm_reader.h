#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace modeldiff {

/// Rows of label and (index, value) pairs, as the file numbers them.
struct SparseTable {
  struct Entry {
    std::int64_t index;
    float value;
  };
  std::string name;
  std::vector<double> labels;
  std::vector<std::size_t> begins;  // [rows + 1], row r has entries [begins[r], begins[r + 1])
  std::vector<Entry> entries;
  std::int64_t least_index = 0;  // of all entries; 0 when there are none
  std::int64_t largest_index = -1;
};

/// Reads lines `LABEL INDEX:VALUE INDEX:VALUE ... [# comment]`; indices ascend within a line, empty
/// lines are passed over.
/// @throws DataError with the line on anything else
SparseTable parse_libsvm(std::string_view text, const std::string& name);

}  // namespace modeldiff
