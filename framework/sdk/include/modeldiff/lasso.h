#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "modeldiff/core/api.h"
#include "modeldiff/run_sums.h"

// Sparse linear regression of many targets on one 0/1 design.
//
// All queries share the masks, so one Gram matrix serves them all; each query is then solved by
// coordinate descent on it, whatever the number of runs. m runs in S strata, n columns, N queries.

namespace modeldiff {

/// How exactly a problem is solved. None of it but `gap` and `standardise` changes what is asked for.
struct LassoOptions {
  /// Penalise w = theta s on columns divided by their standard deviation s, as datamodels do.
  /// Otherwise penalise theta. Weights are reported as theta in either case.
  bool standardise = true;
  /// A query is solved when its duality gap is at most this share of |y|^2/2m, the objective of
  /// w = 0. Below about 1e-12 rounding of the float64 check decides.
  double gap = 1e-8;
  /// Passes over the working set at one lambda; a query that needs more is returned with
  /// `converged` false.
  std::int64_t max_sweeps = 10000;
};

/// The lambdas of a warm-started path, and what is made of the best one.
struct LassoPath {
  /// K lambdas, log spaced from lambda_max of the query, where all weights are 0, down to
  /// ratio lambda_max. K >= 2.
  std::int64_t lambdas = 20;
  /// In (0, 1).
  double ratio = 1e-2;
  /// Fit once more on all runs, held-out ones included, at the chosen lambda.
  bool refit = true;
  /// Stop a query's path when its held-out error has not improved for this many lambdas; 0 never
  /// stops. Small lambdas cost most and are rarely chosen when there are few runs: try 5.
  std::int64_t patience = 0;
};

/// Weights of all queries with what is known about them. Float64 on the CPU unless said otherwise.
struct LassoFit {
  /// [N, n], theta: change of the measurement when column i is present (mask units). 0 for a column
  /// without variance.
  at::Tensor weights;
  /// [S, N], b: the fit is b + theta . mask.
  at::Tensor intercepts;
  /// [N], the lambda of `weights`.
  at::Tensor lambdas;
  /// [N], smallest lambda with all weights 0: max_i |X~_i' (y - mean y)| / m on the runs of the
  /// path or fit.
  at::Tensor lambda_max;
  /// [N], duality gap of `weights` over |y|^2/2m, evaluated in float64 on exact counts; 0 for a
  /// constant y.
  at::Tensor gaps;
  /// [N] bool: gap reached, at every lambda of the path and in the refit.
  at::Tensor converged;
  /// [N] int64
  at::Tensor nonzeros;
  /// [N] int64, passes over the working set, all lambdas together.
  at::Tensor sweeps;
  /// [N, K] mean squared error on the held-out runs, first column at lambda_max; NaN after a path
  /// was stopped. Undefined without a path.
  at::Tensor heldout_errors;
  /// [N] int64, column of the least held-out error, the first of equals. Undefined without a path.
  at::Tensor chosen;
  /// Largest of `gaps`.
  double worst_gap = 0;
  /// Queries with `converged` false.
  std::int64_t unconverged = 0;
};

/// argmin over (b, theta) of  1/(2m) sum_j (y_j - b_s(j) - theta . x_j)^2 + lambda sum_i s_i |theta_i|
/// for each query y, s(j) the stratum of run j and s_i the population standard deviation of column i
/// within strata (1 without `standardise`); b is not penalised. Ilyas et al. 2022 (Datamodels,
/// arXiv:2202.00622). Their solver fast_l1 returns w = theta s. Masks of a fixed size sum to a
/// constant: theta is then defined up to a constant that b takes, and the least penalty picks one; do
/// not compare such weights between designs by absolute level.
/// @param runs    at least one more than strata
/// @param lambdas [N] or [1], > 0, in units of the measurement
/// @throws ShapeError, DataError
MODELDIFF_API LassoFit lasso(RunSums& runs, const at::Tensor& lambdas,
                             const LassoOptions& options = {});

/// As lasso(), with lambda chosen per query: the one of the path that has the least squared error on
/// the held-out runs.
/// @param runs with at least 1 held-out run, and of each stratum one that is not. `refit` releases them.
MODELDIFF_API LassoFit lasso_path(RunSums& runs, const LassoPath& path = {},
                                  const LassoOptions& options = {});

}  // namespace modeldiff
