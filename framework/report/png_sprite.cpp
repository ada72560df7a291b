#include "report/png_sprite.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <png.h>

#include <vector>

#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

std::string base64(const std::vector<unsigned char>& bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes.data(),
                                     static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(length));
  return out;
}

}  // namespace

std::string base64_of_png_sprite(const TensorView& images, std::int64_t count) {
  MODELDIFF_CHECK(images.shape.size() == 4 && images.dtype == DType::u8 && count <= images.shape[0],
                  "a grid of images");
  const std::int64_t channels = images.shape[1], height = images.shape[2], width = images.shape[3];
  MODELDIFF_CHECK(channels == 1 || channels == 3, fmt::format("{} channels", channels));
  const auto* source = reinterpret_cast<const unsigned char*>(images.data);
  std::vector<unsigned char> pixels(static_cast<std::size_t>(count * width * height * channels));
  for (std::int64_t n = 0; n < count; ++n) {
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t y = 0; y < height; ++y) {
        for (std::int64_t x = 0; x < width; ++x) {
          pixels[static_cast<std::size_t>((y * count * width + n * width + x) * channels + c)] =
              source[((n * channels + c) * height + y) * width + x];
        }
      }
    }
  }
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  header.width = static_cast<png_uint_32>(count * width);
  header.height = static_cast<png_uint_32>(height);
  header.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t size = 0;
  png_image_write_to_memory(&header, nullptr, &size, 0, pixels.data(), 0, nullptr);
  std::vector<unsigned char> png(size);
  MODELDIFF_CHECK(
      png_image_write_to_memory(&header, png.data(), &size, 0, pixels.data(), 0, nullptr),
      header.message);
  png.resize(size);
  return base64(png);
}

}  // namespace modeldiff
