#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace modeldiff {

/// Red, green, blue of each pixel.
struct RgbImage {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::vector<std::uint8_t> pixels;  // [height, width, 3]
};

/// Decodes a JPEG or PNG image, told apart by its first bytes. Grey images get three equal
/// channels; transparent pixels are put on black; 16-bit values are reduced to 8; an orientation
/// noted in the file is passed over.
/// @param name for error texts
/// @throws DataError when the image is corrupt, truncated, of another format, or has more than 2^26
/// pixels
RgbImage decode_image(std::string_view bytes, const std::string& name);

/// Bilinear, each result pixel a triangle-weighted mean over as many source pixels as fall on it,
/// rounded after the horizontal and after the vertical pass (integer weights of 22 bits, so every
/// machine makes the same bytes).
/// @param height, width >= 1
RgbImage resize_bilinear(const RgbImage& image, std::int64_t height, std::int64_t width);

/// Writes an image as planes.
/// @param channels 3; or 1: (299 R + 587 G + 114 B + 500) / 1000
/// @param planes   [channels, height, width]
void write_planes(const RgbImage& image, std::int64_t channels, std::uint8_t* planes);

}  // namespace modeldiff
