#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "modeldiff/core/schema.h"

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
        .field("shape", &Region::shape, "`corners`: the four corner pixels; `square`: size x size pixels.")
        .field("row", &Region::row, "First row of the square.", at_least(0), unit("pixels"))
        .field("column", &Region::column, "First column of the square.", at_least(0), unit("pixels"))
        .field("size", &Region::size, "Side of the square.", at_least(1), unit("pixels"));
  }
  /// @return [height, width] bool, true inside
  /// @throws ShapeError when the region leaves the image
  MODELDIFF_API at::Tensor mask(std::int64_t height, std::int64_t width) const;
};

template <>
struct Choices<Region::Shape> {
  static constexpr std::pair<Region::Shape, const char*> names[] = {{Region::Shape::corners, "corners"},
                                                                    {Region::Shape::square, "square"}};
};

/// What a model is shown of an input: hidden pixels replaced by the data set's fill, then normalised. It belongs to a
/// learning algorithm and holds in training and inference alike.
struct InputView {
  /// [height, width] bool, true = hidden, or undefined.
  at::Tensor hidden;
  std::vector<float> fill, mean, deviation;

  /// @param inputs images [n, C, H, W] uint8 or float32 in [0, 1], or tables [n, d] float32
  /// @return the same shape, float32
  MODELDIFF_API at::Tensor apply(const at::Tensor& inputs) const;
};

}  // namespace modeldiff
