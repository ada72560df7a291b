// Any bytes are an image of the size that it says, or a DataError.

#include <cstdlib>

#include "images/image_decode.h"
#include "modeldiff/core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const modeldiff::RgbImage image =
        modeldiff::decode_image({reinterpret_cast<const char*>(data), size}, "fuzz");
    if (image.pixels.size() != static_cast<std::size_t>(image.height * image.width * 3))
      std::abort();
    const modeldiff::RgbImage small = modeldiff::resize_bilinear(image, 3, 5);
    if (small.pixels.size() != 3 * 5 * 3) std::abort();
  } catch (const modeldiff::DataError&) {
  }
  return 0;
}
