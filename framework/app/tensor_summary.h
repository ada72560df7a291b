#pragma once

#include <cstdint>
#include <string>

#include "store/safetensors.h"

namespace modeldiff {

/// What a tensor's elements are like; NaN and infinities are counted and left out of the rest.
struct TensorSummary {
  std::int64_t count = 0;
  std::int64_t not_finite = 0;
  double minimum = 0, maximum = 0, mean = 0;
};

TensorSummary summary_of(const TensorView& tensor);

/// Largest |a - b| of two tensors of the same shape; NaN where only one of them is.
double largest_difference(const TensorView& a, const TensorView& b);

/// "[300, 1200]"; "[]" is a scalar.
std::string shape_text(const TensorView& tensor);

}  // namespace modeldiff
