#pragma once

#include <ATen/core/Tensor.h>

#include "analysis/residuals.h"

/// What a user would rank training examples by to see where two sets of models differ.
namespace modeldiff::rivals {

/// Cosines between the centred features of examples. Rotating or scaling all features leaves them.
/// @param features   [n, d] float32
/// @param references [k] int64, rows
/// @return           [n, k] float32
at::Tensor similarity(const at::Tensor& features, const at::Tensor& references);

/// First principal direction over training examples of the plain difference of unit rows, a - b,
/// columns centred; of unit length, sum_i v_i^3 positive. Zero where a = b.
/// @return [n] float64
at::Tensor direction_of_difference(const UnitRows& rows);

}  // namespace modeldiff::rivals
