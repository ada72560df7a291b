#include "modeldiff/region.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "modeldiff/core/error.h"

namespace modeldiff {
at::Tensor Region::mask(std::int64_t height, std::int64_t width) const {
  at::Tensor inside = at::zeros({height, width}, at::kBool);
  if (shape == Shape::corners) {
    for (const std::int64_t r : {std::int64_t{0}, height - 1}) {
      for (const std::int64_t c : {std::int64_t{0}, width - 1}) inside[r][c] = true;
    }
    return inside;
  }
  if (row + size > height || column + size > width) {
    throw ShapeError(
        fmt::format("a square of {0} x {0} pixels at row {1}, column {2} leaves an image of {3} "
                    "rows and {4} columns",
                    size, row, column, height, width));
  }
  inside.narrow(0, row, size).narrow(1, column, size).fill_(true);
  return inside;
}

}  // namespace modeldiff
