// Whatever bytes a file has, the reader refuses it with a DataError or gives views that lie within
// it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "modeldiff/core/error.h"
#include "store/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> file = std::as_bytes(std::span(data, size));
  try {
    std::size_t total = 0;
    for (const auto& [name, view] : modeldiff::parse_safetensors(file, "fuzz").tensors) {
      if (view.data < file.data() || view.data + view.bytes > file.data() + file.size())
        std::abort();
      total += view.bytes;
    }
    if (total > size) std::abort();
  } catch (const modeldiff::DataError&) {
  }
  return 0;
}
