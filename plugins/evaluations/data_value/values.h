#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "analysis/statistics.h"

/// Values of training rows by leaving them out, and how well they are known.
namespace modeldiff::data_value {

struct Value {
  /// Mean test loss without the row less that with it, in the unit of the loss: above 0 the row
  /// helps.
  double value = 0;
  /// Its standard error over test rows.
  double error = 0;
};

/// U(w) - U(w^{-i}), U = minus the mean test loss. @param with, without [N] float64, N >= 2
Value value_of(const at::Tensor& with, const at::Tensor& without);

/// How near values are to those of exact retraining, over rows.
struct Agreement {
  Interval spearman, pearson;  // bootstrap over rows
  /// |values - exact| / |exact|
  double relative_error = 0;
};
struct Bootstrap {
  double confidence = 0.95;
  std::int64_t draws = 1000;
  std::uint64_t seed = 0;
};
/// NaN where a side is constant. @param values, exact as long as each other, at least 3
Agreement agreement(std::span<const double> values, std::span<const double> exact,
                    const Bootstrap& bootstrap);

/// Chance that a row with a wrong label has a smaller value than one with the right label.
/// @param wrong by row, 0 or 1; both must occur
Interval wrong_label_auroc(std::span<const double> values, std::span<const double> wrong,
                           const Bootstrap& bootstrap);

}  // namespace modeldiff::data_value
