#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

/// How well a direction and a proposal recover what was planted. Ties are averaged; NaN where there
/// is nothing to compare.
namespace modeldiff {

/// Share of planted examples among the K with the largest weight, K = number of planted examples or
/// the smaller `k`.
/// @param weights [n], @param planted [n] bool
double precision_at(const at::Tensor& weights, const at::Tensor& planted, std::int64_t k);

/// Probability that a planted example has a larger weight than another one. @param weights [n],
/// planted [n] bool
double auroc(const at::Tensor& weights, const at::Tensor& planted);
/// Among the examples of class `label` only. @param labels [n] int64
double auroc_within(const at::Tensor& weights, const at::Tensor& planted, const at::Tensor& labels,
                    std::int64_t label);

/// Pixels in both over pixels in either; NaN when both are empty. @param a, b [height, width] bool
double intersection_over_union(const at::Tensor& a, const at::Tensor& b);

struct DirectionScore {
  /// precision@K, K the number of planted training examples.
  double precision = 0;
  double auroc = 0;
  double auroc_within_class = 0;
  /// Of the 20 queries that project most.
  double query_precision = 0;
};

/// @param examples [n], queries [N]: a direction and its projections, the positive end is scored
/// @param planted [n] bool, labels [n] int64, planted_class: of the training examples
/// @param marked [N] bool
DirectionScore score_direction(const at::Tensor& examples, const at::Tensor& queries,
                               const at::Tensor& planted, const at::Tensor& labels,
                               std::int64_t planted_class, const at::Tensor& marked);

}  // namespace modeldiff
