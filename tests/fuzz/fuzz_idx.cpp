// Any bytes are an IDX file or a DataError, plain and gzipped.

#include <cstdlib>

#include "mnist/idx_reader.h"
#include "modeldiff/core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const int dimensions : {1, 3}) {
    try {
      const modeldiff::IdxArray array = modeldiff::parse_idx(bytes, "fuzz", dimensions);
      std::size_t count = 1;
      for (const std::int64_t extent : array.shape) count *= static_cast<std::size_t>(extent);
      if (count != array.values.size()) std::abort();
    } catch (const modeldiff::DataError&) {
    }
  }
  return 0;
}
