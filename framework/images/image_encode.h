#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace modeldiff {

/// An image as files have it.
struct PixelRows {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;         // 1: grey, 3: red, green, blue
  std::vector<std::uint8_t> pixels;  // [height, width, channels]
};

/// The rows of some planes. @param planes [channels, height, width]
PixelRows rows_of(const std::uint8_t* planes, std::int64_t channels, std::int64_t height,
                  std::int64_t width);

/// The content of a PNG file of 8 bits a channel.
std::string encode_png(const PixelRows& image);

/// The content of a JPEG file: baseline, libjpeg's tables for the quality, chroma at half the
/// resolution, integer transforms (the same bytes with and without vector instructions).
/// @param quality 1 to 100
/// @throws DataError with libjpeg's words; a side may have 65,500 pixels
std::string encode_jpeg(const PixelRows& image, int quality);

}  // namespace modeldiff
