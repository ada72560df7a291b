#pragma once

#include <ATen/core/Tensor.h>

#include "features.h"

namespace modeldiff::trak {

struct SolveOptions {
  /// lambda as a share of trace(Phi' R Phi) / k.
  double damping = 1e-3;
  /// R = p (1 - p) of the examples, the curvature of logistic regression; otherwise 1.
  bool newton = false;
};

struct RunScores {
  /// T [N, n], dtype of the queries: phi(q)' (Phi' R Phi + lambda I)^-1 phi(i).
  at::Tensor scores;
  double lambda = 0;
};

/// Scores of one run. The Gram matrix is summed in float64 and solved by Cholesky, never inverted.
/// @param train   features of all n training examples
/// @param queries [N, k]
/// @param subset  [m] int64, the examples the run was trained on, whose gradients are in the Gram
/// matrix; undefined: all
/// @throws NumericalError naming n, k and lambda when the Gram matrix is singular
RunScores run_scores(const Features& train, const at::Tensor& queries, const at::Tensor& subset,
                     const SolveOptions& options);

}  // namespace modeldiff::trak
