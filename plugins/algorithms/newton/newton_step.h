#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "modeldiff/descent.h"
#include "newton_params.h"

namespace modeldiff::newton {

struct NewtonRequest {
  /// On the data before and after the change; they differ where rows are relabelled.
  const Objective& before;
  const Objective& after;
  const DescentPlan& plan;
  const DataChange& change;
  const at::Tensor& w;  // [p] float64, of the run before
  const NewtonParams& params;
};

struct NewtonResult {
  at::Tensor w;  // [p] float64
  std::int64_t iterations = 0;
  /// |H d - b| / |b| where the conjugate gradients stopped.
  double residual = 0;
  /// Gradients of rows that were computed, a product with the Hessian counted as one each.
  std::int64_t rows = 0;
};

/// With the mean loss F' on the changed data, penalty included, and its Hessian H':
///   newton      w - H'^-1 grad F'(w): Guo, Goldstein, Hannun and van der Maaten 2020
///               (arXiv:1911.03030), Eq. 3 in the form of means. Exact in one step for least
///               squares; it aims at the optimum, not at the weights after as many steps.
///   influence   w - H^-1 (grad F'(w) - grad F(w)), H that of the run before: Koh and Liang 2017
///               (arXiv:1703.04730), for weights that are not at the optimum either.
/// Solved by conjugate gradients; the penalty or the data must make H positive definite.
/// @throws ConfigError for a loss that is not convex
NewtonResult newton_step(const NewtonRequest& request);

}  // namespace modeldiff::newton
