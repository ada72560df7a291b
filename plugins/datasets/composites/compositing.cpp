#include "compositing.h"

#include <algorithm>
#include <cmath>

namespace modeldiff {
namespace {

std::size_t offset(const RgbImage& image, std::int64_t row, std::int64_t column) {
  return static_cast<std::size_t>(3 * (row * image.width + column));
}

RgbImage empty_image(std::int64_t height, std::int64_t width) {
  return {height, width, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * height * width))};
}

}  // namespace

RgbImage square_window(const RgbImage& image, std::int64_t row, std::int64_t column,
                       std::int64_t side) {
  RgbImage out = empty_image(side, side);
  for (std::int64_t y = 0; y < side; ++y) {
    std::copy_n(image.pixels.data() + offset(image, row + y, column), 3 * side,
                out.pixels.data() + offset(out, y, 0));
  }
  return out;
}

RgbImage mirrored(const RgbImage& image) {
  RgbImage out = empty_image(image.height, image.width);
  for (std::int64_t y = 0; y < image.height; ++y) {
    for (std::int64_t x = 0; x < image.width; ++x) {
      std::copy_n(image.pixels.data() + offset(image, y, image.width - 1 - x), 3,
                  out.pixels.data() + offset(out, y, x));
    }
  }
  return out;
}

std::vector<std::uint8_t> disc_opacity(std::int64_t side, double edge) {
  std::vector<std::uint8_t> out;
  const double radius = static_cast<double>(side - 1) / 2;
  for (std::int64_t row = 0; row < side; ++row) {
    for (std::int64_t column = 0; column < side; ++column) {
      const double y = static_cast<double>(row) - radius, x = static_cast<double>(column) - radius,
                   r = std::sqrt(y * y + x * x) / radius;
      out.push_back(
          static_cast<std::uint8_t>(std::lround(255 * std::clamp((1 - r) / edge, 0.0, 1.0))));
    }
  }
  return out;
}

void paste(RgbImage& canvas, const RgbImage& patch, std::int64_t row, std::int64_t column,
           const std::vector<std::uint8_t>& opacity) {
  for (std::int64_t y = 0; y < patch.height; ++y) {
    for (std::int64_t x = 0; x < patch.width; ++x) {
      const unsigned a =
          opacity.empty() ? 255u : opacity[static_cast<std::size_t>(y * patch.width + x)];
      const std::uint8_t* from = patch.pixels.data() + offset(patch, y, x);
      std::uint8_t* to = canvas.pixels.data() + offset(canvas, row + y, column + x);
      for (int c = 0; c < 3; ++c)
        to[c] = static_cast<std::uint8_t>((a * from[c] + (255 - a) * to[c] + 127) / 255);
    }
  }
}

RgbImage plain_square(std::int64_t side, const std::vector<double>& colour) {
  RgbImage out = empty_image(side, side);
  for (std::size_t i = 0; i < out.pixels.size(); ++i)
    out.pixels[i] = static_cast<std::uint8_t>(std::lround(255 * colour[i % 3]));
  return out;
}

}  // namespace modeldiff
