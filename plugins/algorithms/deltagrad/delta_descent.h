#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "deltagrad_params.h"
#include "modeldiff/descent.h"

/// DeltaGrad: a training run on changed data from the trajectory of the run before.
/// Wu, Dobriban and Davidson 2020 (arXiv:2006.14755), Algorithm 1, with the state v = w^I - w
/// instead of w^I, so that small changes do not cancel.
namespace modeldiff::deltagrad {

struct DeltaRequest {
  /// On the data before and after the change; they differ where rows are relabelled.
  const Objective& before;
  const Objective& after;
  const Trajectory& trajectory;
  /// [p] float64, where the run before ended; for trajectories in bfloat16, from which it can only
  /// be rebuilt about.
  at::Tensor end = {};
  const DataChange& change;
  const DeltaGradParams& params;
  /// For messages.
  std::string label = {};
  bool keep_gradients = false;
  /// Called after each step with its number, from 0, and the corrected weights.
  std::function<void(std::int64_t step, const at::Tensor& w)> on_step = {};
};

/// How the steps were made.
struct DeltaReport {
  std::int64_t exact_steps = 0;
  std::int64_t approximate_steps = 0;
  /// Of these exact steps, those in place of a product that a safeguard refused.
  std::int64_t fallbacks = 0;
  /// Pairs that were refused.
  std::int64_t refused_pairs = 0;
  /// Gradients of rows that were computed.
  std::int64_t rows = 0;
  /// Largest eta |y| / |s|: from 2 on, gradient descent diverges.
  double stiffness = 0;
  /// Step and relative error |true - predicted change| / |true change| of the gradient.
  std::vector<std::pair<std::int64_t, double>> audits;
};

struct DeltaResult {
  at::Tensor w;  // [p] float64, w_T + v
  at::Tensor v;  // [p] float64
  /// [T, p] of the plan's precision, where they are kept: the corrected g_t.
  at::Tensor gradients;
  DeltaReport report;
};

/// With b rows in the batch before, r removed, a added, g the kept gradient and G_R, G_A the sums of
/// gradients of what leaves and what enters at w + v, each step is
///   v <- (1 - eta lambda) v - eta [b H v + (r - a) g - G_R + G_A] / (b - r + a),
/// where an exact step has the true change y of the mean gradient in place of H v. The corrected
/// gradient is g + [...] / (b - r + a).
/// @throws NumericalError naming the step when v is not finite
DeltaResult delta_descend(const DeltaRequest& request);

/// Independent changes of one trajectory. Where `at_once` of their parameters is above 1, the exact
/// steps that fall together are made in one pass over the data; what comes of a request does not
/// depend on the others.
/// @pre the requests differ in change, `after`, label and callbacks alone
std::vector<DeltaResult> delta_descend_together(std::span<const DeltaRequest> requests);

}  // namespace modeldiff::deltagrad
