#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "analysis/statistics.h"
#include "modeldiff/objective.h"

/// d0: how far rapidly retrained weights are from where they should be, at most.
namespace modeldiff::approximate_deletion {

/// Of distances that were measured: a margin over the largest of the first half of the runs, checked
/// on the others.
struct EmpiricalBound {
  double d0 = 0;
  /// Runs of the second half, and those of them that are farther than d0.
  std::int64_t checked = 0, violations = 0;
};

/// @param distances |w_I - w_U|_2 of each run
EmpiricalBound empirical_bound(std::span<const double> distances, double margin);

/// Clopper and Pearson's interval of a share.
Interval share_interval(std::int64_t successes, std::int64_t trials, double confidence);

/// |grad F(w)| / lambda >= |w - w*|, F the mean loss over `rows` plus lambda |w|^2 / 2 and w* its
/// minimiser: F is lambda-strongly convex when the losses are convex.
/// @param w [p] float64 @param weight_decay lambda, > 0
double distance_to_optimum(const Objective& objective, const at::Tensor& w, RowSpan rows,
                           double weight_decay);

}  // namespace modeldiff::approximate_deletion
