#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

/// Directions that are easier to read than principal ones. Principal directions mix what has
/// similar variance, and put weight on every training example.
namespace modeldiff {

/// Kaiser 1958 (Psychometrika 23): the criterion sum_j (mean_i v_ji^4 - (mean_i v_ji^2)^2) of J
/// directions v_j. Large when each direction has its weight on few training examples that no other
/// direction uses.
/// @param directions [J, n]
double varimax_criterion(const at::Tensor& directions);

/// Orthonormal directions of the same subspace with a largest criterion ("raw" varimax, without
/// Kaiser's scaling of the rows): planes of two directions are turned, one after the other, by the
/// angle that is best for the plane, so that the criterion never falls.
/// @param directions [J, n], orthonormal rows
/// @param sweeps     most passes over all planes; ends earlier when no angle exceeds 1e-8
/// @return           [J, n] float64
at::Tensor varimax(const at::Tensor& directions, int sweeps = 200);

/// Sparse principal components by power iteration with soft thresholds: sPCA-rSVD of Shen and Huang
/// 2008 (J. Multivariate Analysis 99), Sec. 2.3, which is the penalised decomposition of Witten,
/// Tibshirani and Hastie 2009 with the penalty on one side. From the first principal direction of
/// what is left, u <- X v / |X v|, v <- soft(X' u) repeat; the threshold is each time the largest
/// |X' u|_i below the `nonzeros` largest, so that equal values stay together and at least `nonzeros`
/// training examples keep weight. Then v is taken out, X <- X - X v v'. They subtract u u' X v v'
/// instead; directions of disjoint support come out alike. Local optima: the best is not promised.
/// @param rows     [N, n], column-centred residual of rank `count` or more
/// @param nonzeros training examples with weight in a direction, in [1, n]
/// @return         [count, n] float64, rows of unit length in the order found, not orthogonal
at::Tensor sparse_directions(const at::Tensor& rows, std::int64_t count, std::int64_t nonzeros);

}  // namespace modeldiff
