#include "images/image_encode.h"

#include <fmt/format.h>
#include <png.h>

#include <cstdlib>

#include "images/jpeg_errors.h"
#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

void check_channels(const PixelRows& image) {
  MODELDIFF_CHECK(image.channels == 1 || image.channels == 3,
                  fmt::format("{} channels", image.channels));
}

/// Owns libjpeg's memory. `write` says whether it came through.
class JpegEncoder {
 public:
  JpegEncoder() {
    info_.err = errors_.start();
    jpeg_create_compress(&info_);
  }
  ~JpegEncoder() {
    jpeg_destroy_compress(&info_);
    std::free(bytes_);
  }
  JpegEncoder(const JpegEncoder&) = delete;
  JpegEncoder& operator=(const JpegEncoder&) = delete;

  bool write(const PixelRows& image, int quality) {
    if (setjmp(errors_.recover)) return false;
    jpeg_mem_dest(&info_, &bytes_, &size_);
    info_.image_height = static_cast<JDIMENSION>(image.height);
    info_.image_width = static_cast<JDIMENSION>(image.width);
    info_.input_components = static_cast<int>(image.channels);
    info_.in_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&info_);
    jpeg_set_quality(&info_, quality, TRUE);
    info_.dct_method = JDCT_ISLOW;
    jpeg_start_compress(&info_, TRUE);
    while (info_.next_scanline < info_.image_height) {
      JSAMPROW row = const_cast<JSAMPROW>(image.pixels.data() + std::int64_t{info_.next_scanline} *
                                                                    image.width * image.channels);
      jpeg_write_scanlines(&info_, &row, 1);
    }
    jpeg_finish_compress(&info_);
    return true;
  }
  std::string bytes() const { return {reinterpret_cast<const char*>(bytes_), size_}; }
  const char* message() const { return errors_.message; }

 private:
  jpeg_compress_struct info_{};
  JpegErrors errors_;
  unsigned char* bytes_ = nullptr;
  unsigned long size_ = 0;
};

}  // namespace

PixelRows rows_of(const std::uint8_t* planes, std::int64_t channels, std::int64_t height,
                  std::int64_t width) {
  const std::int64_t plane = height * width;
  PixelRows out{height, width, channels,
                std::vector<std::uint8_t>(static_cast<std::size_t>(plane * channels))};
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t i = 0; i < plane; ++i)
      out.pixels[static_cast<std::size_t>(i * channels + c)] = planes[c * plane + i];
  }
  return out;
}

std::string encode_png(const PixelRows& image) {
  check_channels(image);
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  header.width = static_cast<png_uint_32>(image.width);
  header.height = static_cast<png_uint_32>(image.height);
  header.format = image.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t size = 0;
  png_image_write_to_memory(&header, nullptr, &size, 0, image.pixels.data(), 0, nullptr);
  std::string png(size, '\0');
  MODELDIFF_CHECK(
      png_image_write_to_memory(&header, png.data(), &size, 0, image.pixels.data(), 0, nullptr),
      header.message);
  png.resize(size);
  return png;
}

std::string encode_jpeg(const PixelRows& image, int quality) {
  check_channels(image);
  JpegEncoder encoder;
  if (!encoder.write(image, quality))
    throw DataError(fmt::format("an image cannot be written as JPEG: {}", encoder.message()));
  return encoder.bytes();
}

}  // namespace modeldiff
