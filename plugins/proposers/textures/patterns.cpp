#include "patterns.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace modeldiff {
namespace {

/// Of pixels' centres, float64.
at::Tensor centres(std::int64_t length) { return at::arange(length, at::kDouble) + 0.5; }

/// The distance to the nearest multiple of `period`.
at::Tensor distance_to_multiple(const at::Tensor& x, double period) {
  return (x - (x / period).round() * period).abs();
}

/// 1 inside, 0 outside, in between over the pixel at the edge.
at::Tensor inside(const at::Tensor& distance, double radius) {
  return (radius + 0.5 - distance).clamp(0, 1);
}

at::Tensor finished(const at::Tensor& pattern) {
  return pattern.to(at::kFloat).unsqueeze(0).contiguous();
}

}  // namespace

at::Tensor dots(std::int64_t height, std::int64_t width, double radius, double spacing) {
  const auto off_grid = [&](std::int64_t length) {
    return distance_to_multiple(centres(length) - spacing / 2, spacing).square();
  };
  const at::Tensor distance = (off_grid(height).unsqueeze(1) + off_grid(width).unsqueeze(0)).sqrt();
  return finished(inside(distance, radius));
}

at::Tensor stripes(std::int64_t height, std::int64_t width, double period, double degrees) {
  const double angle = degrees * std::numbers::pi / 180;
  const at::Tensor along = (std::sin(angle) * centres(height)).unsqueeze(1) +
                           (std::cos(angle) * centres(width)).unsqueeze(0);
  return finished(along.remainder(period) < period / 2);
}

at::Tensor web(std::int64_t height, std::int64_t width, std::int64_t spokes, std::int64_t rings,
               double thickness) {
  const at::Tensor y = (centres(height) - static_cast<double>(height) / 2).unsqueeze(1),
                   x = (centres(width) - static_cast<double>(width) / 2).unsqueeze(0);
  const at::Tensor radius = (x.square() + y.square()).sqrt();
  const double sector = 2 * std::numbers::pi / static_cast<double>(spokes);
  const at::Tensor angle = at::atan2(y, x);
  const at::Tensor from_spoke = distance_to_multiple(angle, sector);
  at::Tensor threads = inside(radius * from_spoke.sin(), thickness / 2);
  if (rings > 0) {
    // A polygon's side is where the projection on the middle of the sector is that of its corners.
    const double middle = std::cos(sector / 2),
                 step = middle * static_cast<double>(std::min(height, width)) / 2 /
                        static_cast<double>(rings);
    const at::Tensor projected = radius * (sector / 2 - from_spoke).cos();
    const at::Tensor ring = (projected / step).round().clamp(1, rings);
    threads = at::maximum(threads, inside((projected - ring * step).abs(), thickness / 2));
  }
  return finished(threads);
}

at::Tensor checker(std::int64_t height, std::int64_t width, double side) {
  const auto fields = [&](std::int64_t length) { return (centres(length) / side).floor(); };
  return finished((fields(height).unsqueeze(1) + fields(width).unsqueeze(0)).remainder(2).eq(0));
}

}  // namespace modeldiff
