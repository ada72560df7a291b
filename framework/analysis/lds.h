#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "analysis/statistics.h"

namespace modeldiff {

/// How well scores predict what training on subsets does to the queries. All tensors float64.
struct LdsResult {
  /// [N], Spearman correlation over subsets of sum_{i in S} score[q, i] with the measurement; NaN
  /// where one of them is constant.
  at::Tensor per_query;
  /// Mean over queries, percentile bootstrap over queries.
  Interval over_queries;
  /// The same mean, with subsets drawn anew as well.
  Interval over_queries_and_subsets;
  /// Queries without a correlation.
  std::int64_t constant_scores = 0, constant_measurements = 0;
  /// Of the measurements' means over replicates: correlation of halves of the replicates, stepped
  /// up by Spearman-Brown; NaN with one replicate.
  double reliability = 0;
  /// sqrt(reliability), about the best LDS that perfect scores would get, and LDS / ceiling.
  double ceiling = 0, of_ceiling = 0;
};

struct LdsOptions {
  double confidence = 0.95;
  /// Over queries; over queries and subsets it takes a tenth of them.
  std::int64_t draws = 2000;
  /// Random splits of the replicates into halves.
  std::int64_t splits = 20;
  std::uint64_t seed = 0;
};

/// Linear datamodeling score (Park et al. 2023, TRAK, Sec. 4.1).
/// @param scores       [N, n]; higher raises the measurement
/// @param masks        [M, n] bool, true = trained on; M >= 3
/// @param measurements [M, R, N], R replicates that differ in the seed alone
/// @throws ShapeError naming the shapes
LdsResult linear_datamodeling_score(const at::Tensor& scores, const at::Tensor& masks,
                                    const at::Tensor& measurements, const LdsOptions& options = {});

}  // namespace modeldiff
