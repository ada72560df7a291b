#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

/// Textures: light (1) on dark (0), [1, height, width] float32. Lengths are in pixels, coordinates
/// those of the pixels' centres, (row + 1/2, column + 1/2).
namespace modeldiff {

/// A dot's centre lies half a spacing from the border; its edge is one pixel wide.
at::Tensor dots(std::int64_t height, std::int64_t width, double radius, double spacing);
/// Light where the distance along the direction of `degrees`, 0 = to the right, 90 = down, is in the
/// first half of a period.
at::Tensor stripes(std::int64_t height, std::int64_t width, double period, double degrees);
/// Threads of `thickness` with an edge of one pixel: `spokes` from the centre, the first to the
/// right, and `rings` polygons with corners on the spokes, the outermost of half the shorter side.
at::Tensor web(std::int64_t height, std::int64_t width, std::int64_t spokes, std::int64_t rings,
               double thickness);
/// Light at the top left.
at::Tensor checker(std::int64_t height, std::int64_t width, double side);

}  // namespace modeldiff
