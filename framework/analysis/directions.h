#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

#include "analysis/residuals.h"

namespace modeldiff {

/// Makes directions of unit length, [J, n], of the column-centred residual [N', n] and of its first
/// principal directions [J, n], all float64: varimax() or sparse_directions(). Empty: the principal
/// ones.
using Basis = std::function<at::Tensor(const at::Tensor& rows, const at::Tensor& principal)>;

/// Directions of residuals over training examples, the largest first. All float64.
struct DirectionSet {
  /// [J, n], rows v of unit length, orthonormal when the basis is; the sign makes sum_i v_i^3
  /// positive. Both ends mean something: opposite groups.
  at::Tensor examples;
  /// [J, n], the principal directions, orthonormal. They are what permutation_test() takes out one
  /// after the other: it tells how many directions there are, whatever the basis.
  at::Tensor principal;
  /// [J, N'], s_q = R_q . v of the residual as it is, not centred. Rows of `UnitRows::kept`.
  at::Tensor queries;
  /// [J], |R v| of the column-centred residual R: its singular values when v are principal.
  at::Tensor singular_values;
  /// [J], share of the column-centred residual's variance. Shares of directions that are not
  /// orthogonal overlap.
  at::Tensor shares;
  /// [J], mean over queries of ((a^_q - mean a^) . v)^2, and of b. Descriptive only: estimation
  /// noise of A gives a direction with high variance under A and low variance under B too.
  at::Tensor explained_a, explained_b;
  /// Singular values of the centred residual above 1e-6 of the first.
  std::int64_t rank = 0;
};

/// The first `count` directions of R(A\B): principal component analysis of the column-centred
/// residual, by the N x N Gram matrix in float64, v = R'u/s.
/// @param count J >= 1
/// @param basis directions are ordered by the variance along them
/// @throws ShapeError for fewer than two queries or training examples; NumericalError when the
/// residual has fewer
///         directions than `count`, naming how many there are
DirectionSet find_directions(const UnitRows& rows, std::int64_t count, const Basis& basis = {});

/// A residual and the scores it was made of, [N', n] float64 each.
struct ResidualParts {
  at::Tensor residual, a, b;
};

/// What is told of directions however they were found. Their signs are set here.
/// @param found    [J, n] of unit length, in their order; they count as principal ones
/// @param values   [J], descending
/// @param variance of what `values` are singular values of: the sum of all their squares
DirectionSet describe_directions(const at::Tensor& found, const at::Tensor& values,
                                 const at::Tensor& variance, const ResidualParts& parts);

/// mean_q ((x_q - mean x) . v)^2 for each row v of `directions`. Over a complete basis the sum is
/// mean |x_q|^2 - |mean x|^2. The authors' two definitions differ from each other; this is the
/// centred one.
/// @param rows [N, n], @param directions [J, n] of unit length, @return [J] float64
at::Tensor explained_variance(const at::Tensor& rows, const at::Tensor& directions);

/// Directions, [any, n], when only these queries are there. @param queries [N'] int64, may repeat
using DirectionsOfQueries = std::function<at::Tensor(const at::Tensor& queries)>;

/// How well directions come back when the queries are drawn anew with replacement: mean over
/// `draws` of the largest |v . v*| over the directions v* of a draw.
/// @param examples [J, n] of unit length, of 0 .. queries - 1
/// @return [J] float64 in [0, 1]
at::Tensor direction_stability(const at::Tensor& examples, std::int64_t queries,
                               const DirectionsOfQueries& directions_of, std::int64_t draws,
                               std::uint64_t seed);

/// The same of find_directions(), as many in each draw.
at::Tensor direction_stability(const UnitRows& rows, const DirectionSet& directions,
                               std::int64_t draws, std::uint64_t seed, const Basis& basis = {});

}  // namespace modeldiff
