#pragma once

#include <cstdint>
#include <utility>

#include "modeldiff/core/schema.h"

namespace at {
class Tensor;
}

// Free of torch, so that experiment files are checked without it.
namespace modeldiff {

/// Pixels of an image, rows and columns counted from 0 at the top left.
struct Region {
  enum class Shape { corners, square };
  Shape shape = Shape::square;
  std::int64_t row = 1;
  std::int64_t column = 1;
  std::int64_t size = 4;

  static Schema<Region> schema() {
    return Schema<Region>("region")
        .field("shape", &Region::shape,
               "`corners`: the four corner pixels; `square`: size x size pixels.")
        .field("row", &Region::row, "First row of the square.", at_least(0), unit("pixels"))
        .field("column", &Region::column, "First column of the square.", at_least(0),
               unit("pixels"))
        .field("size", &Region::size, "Side of the square.", at_least(1), unit("pixels"));
  }
  /// @return [height, width] bool, true inside
  /// @throws ShapeError when the region leaves the image
  MODELDIFF_API at::Tensor mask(std::int64_t height, std::int64_t width) const;
};

template <>
struct Choices<Region::Shape> {
  static constexpr std::pair<Region::Shape, const char*> names[] = {
      {Region::Shape::corners, "corners"}, {Region::Shape::square, "square"}};
};

}  // namespace modeldiff
