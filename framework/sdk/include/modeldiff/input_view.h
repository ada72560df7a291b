#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "modeldiff/core/api.h"

namespace modeldiff {

/// What a model is shown of an input: hidden pixels replaced by the data set's fill, then
/// normalised. It belongs to a learning algorithm and holds in training and inference alike.
struct InputView {
  /// [height, width] bool, true = hidden, or undefined.
  at::Tensor hidden;
  std::vector<float> fill, mean, deviation;

  /// @param inputs images [n, C, H, W] uint8 or float32 in [0, 1], or tables [n, d] float32
  /// @return the same shape, float32
  MODELDIFF_API at::Tensor apply(const at::Tensor& inputs) const;
};

}  // namespace modeldiff
