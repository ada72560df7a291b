#include "shapes.h"

#include <algorithm>
#include <cmath>

namespace modeldiff {
namespace {

/// A pixel's place relative to the shape's center, in units of its radius; and in pixels from the
/// image's corner.
struct Point {
  double x, y;
  double column, row;
};

bool inside(std::int64_t shape, const Point& p, double period) {
  const double distance = std::hypot(p.x, p.y), side = std::max(std::abs(p.x), std::abs(p.y));
  const auto odd = [period](double pixels) {
    return static_cast<std::int64_t>(std::floor(pixels / period)) % 2 != 0;
  };
  switch (shape) {
    case 0:
      return distance <= 1;
    case 1:
      return side <= 0.85;
    case 2:
      return side <= 1 && std::min(std::abs(p.x), std::abs(p.y)) <= 0.3;
    case 3:
      return distance <= 1 && distance >= 0.6;
    case 4:
      return odd(p.row);
    case 5:
      return odd(p.column);
    case 6:
      return odd(p.row) != odd(p.column);
    default:
      return odd(p.row + p.column);
  }
}

}  // namespace

std::vector<bool> draw_shape(std::int64_t shape, std::int64_t size, RandomStream& random) {
  const auto side = static_cast<double>(size);
  const double center_x = side * (0.5 + 0.2 * (random.uniform_double() - 0.5));
  const double center_y = side * (0.5 + 0.2 * (random.uniform_double() - 0.5));
  const double radius = side * (0.25 + 0.1 * random.uniform_double());
  const double phase_x = side * random.uniform_double(), phase_y = side * random.uniform_double();
  const double period = std::max(2.0, side / 8);
  std::vector<bool> mask;
  for (std::int64_t row = 0; row < size; ++row) {
    for (std::int64_t column = 0; column < size; ++column) {
      const double x = static_cast<double>(column) + 0.5, y = static_cast<double>(row) + 0.5;
      mask.push_back(inside(
          shape, {(x - center_x) / radius, (y - center_y) / radius, x + phase_x, y + phase_y},
          period));
    }
  }
  return mask;
}

}  // namespace modeldiff
