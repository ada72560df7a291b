// Any text is a table or a DataError, as csv and as a sparse table.

#include <cstdlib>

#include "csv/csv_reader.h"
#include "libsvm/libsvm_reader.h"
#include "modeldiff/core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const modeldiff::CsvTable table = modeldiff::parse_csv(text, "fuzz");
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
      if (table.rows[row].size() != table.columns.size()) std::abort();
      for (std::size_t column = 0; column < table.columns.size(); ++column)
        number_at(table, row, column);
    }
  } catch (const modeldiff::DataError&) {
  }
  try {
    const modeldiff::SparseTable table = modeldiff::parse_libsvm(text, "fuzz");
    if (table.begins.size() != table.labels.size() + 1 ||
        table.begins.back() != table.entries.size())
      std::abort();
  } catch (const modeldiff::DataError&) {
  }
  return 0;
}
