#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

/// What part of one algorithm's attribution scores the other's do not explain (Shah et al. 2023,
/// ModelDiff, arXiv:2211.12491). N queries, n training examples; a row is a query.
namespace modeldiff {

/// Rows shorter than this share of the median length have no direction.
inline constexpr double kSmallestOfMedian = 1e-12;

/// Two score matrices over the same queries, rows scaled to length 1, without the rows that have no
/// direction.
struct UnitRows {
  /// [N', n] each, the dtype of the scores.
  at::Tensor a, b;
  /// [N'] int64, ascending: the rows of the scores that are left.
  at::Tensor kept;
  /// N - N': rows shorter than kSmallestOfMedian allows on either side, all-zero LASSO rows for
  /// instance.
  std::int64_t dropped = 0;
};

/// Row by row a^ = a/|a|, b^ = b/|b|.
/// @param a, b [N, n] float32 or float64, finite
/// @throws ShapeError naming both shapes; NumericalError on a number that is not finite or when no
/// row is left
UnitRows unit_rows(const at::Tensor& a, const at::Tensor& b);

/// R(A\B), row by row a^ - <a^, b^> b^: orthogonal to b^, and |R_q|^2 = 1 - cos^2. Invariant to
/// scale and sign of either side; not scaled to length 1 again. The authors' notebooks do this,
/// their package leaves the scaling out.
/// @return [N', n], dtype of the rows
at::Tensor residual(const UnitRows& rows);

/// R(B\A).
at::Tensor residual_of_b(const UnitRows& rows);

/// <a^, b^> row by row: how alike the two algorithms use the training examples. @return [N']
/// float64 in [-1, 1]
at::Tensor row_cosines(const UnitRows& rows);

}  // namespace modeldiff
