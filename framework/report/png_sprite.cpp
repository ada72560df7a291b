#include "report/png_sprite.h"

#include <openssl/evp.h>

#include <vector>

#include "images/image_encode.h"
#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

std::string base64(const std::string& bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(length));
  return out;
}

}  // namespace

std::string base64_of_png_sprite(const TensorView& images, std::int64_t count) {
  MODELDIFF_CHECK(images.shape.size() == 4 && images.dtype == DType::u8 && count <= images.shape[0],
                  "a grid of images");
  const std::int64_t channels = images.shape[1], height = images.shape[2], width = images.shape[3];
  const auto* source = reinterpret_cast<const unsigned char*>(images.data);
  PixelRows sprite{
      height, count * width, channels,
      std::vector<std::uint8_t>(static_cast<std::size_t>(count * width * height * channels))};
  for (std::int64_t n = 0; n < count; ++n) {
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t y = 0; y < height; ++y) {
        for (std::int64_t x = 0; x < width; ++x) {
          sprite.pixels[static_cast<std::size_t>((y * count * width + n * width + x) * channels +
                                                 c)] =
              source[((n * channels + c) * height + y) * width + x];
        }
      }
    }
  }
  return base64(encode_png(sprite));
}

}  // namespace modeldiff
