#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "analysis/directions.h"

/// What part of one algorithm's scores the other's do not explain, when scores are regressed on
/// subset runs. Their noise is known: over queries it is correlated as the measurements are, over
/// training examples it is independent. N queries, n training examples.
namespace modeldiff {

/// Unregularised scores of one algorithm in mask units, with their noise.
struct NoisyScores {
  /// W [N, n]: change of the measurement when an example is present.
  at::Tensor scores;
  /// Sigma [N, N]: covariance of the measurements over runs.
  at::Tensor output_covariance;
  /// 1 / (m keep (1 - keep)): every column of W has noise covariance Sigma times this.
  double noise_scale = 0;
  /// m, what Sigma is estimated from.
  std::int64_t runs = 0;
};

/// The scores of both algorithms.
struct SubsetSides {
  NoisyScores a, b;
  /// [N, N], of A's measurements with B's, when runs of the same number share their subset and
  /// seed: what noise the sides have in common drops out. Undefined: the runs are independent.
  at::Tensor cross_covariance;
};

/// R = W_A - c W_B with c = (W_A . W_B - n tr(Sigma_AB) scale) / (W_B . W_B - n tr(Sigma_B) scale):
/// the slope of A's scores on B's without the attenuation by noise.
class SubsetResidual {
 public:
  virtual ~SubsetResidual();

  virtual double coefficient() const = 0;
  /// @param count J; as many as there are when that is less
  virtual DirectionSet directions(std::int64_t count) const = 0;
  /// First singular value when there is no difference, for rank_p_value().
  virtual std::vector<double> null(std::int64_t draws, std::uint64_t seed) const = 0;
  /// Directions when only these queries are there.
  /// @param queries [any] int64, of 0 .. N - 1, may repeat
  /// @return [at most count, n]
  virtual at::Tensor directions_of(const at::Tensor& queries, std::int64_t count) const = 0;
};

/// Singular vectors of L^-1 R, where L L' = S is the noise covariance of R over queries, shrunk:
/// S <- .9 S + .1 tr(S)/N I. The null is Gaussian noise of covariance S, whitened by a covariance
/// that is estimated anew from as many runs, shrunk alike: so both the shrinkage and the error of S
/// are in it. With exact S all values are below sqrt(n) + sqrt(N).
/// @param shrinkage in [0, 1)
/// @throws ShapeError; NumericalError when B's scores are noise alone (denominator of c not
/// positive) or S is singular
std::unique_ptr<SubsetResidual> whitened_residual(const SubsetSides& sides, double shrinkage = 0.1);

/// Singular vectors of R itself. The null is Gaussian noise of a covariance that is estimated anew.
/// @throws as whitened_residual()
std::unique_ptr<SubsetResidual> plain_residual(const SubsetSides& sides);

/// Scores W [N, n] of one algorithm from the first half of its runs and from the second.
struct ScoresOfHalves {
  at::Tensor first, second;
};

/// Eigenvectors of (R1'R2 + R2'R1)/2 with R_h = W_Ah - c W_Bh and c = (W_A1 . W_B2 + W_A2 . W_B1) /
/// (2 W_B1 . W_B2): noise of the halves is independent and has mean zero. Singular values are roots
/// of the positive eigenvalues. The null gives the columns of R2 random signs: exact when the noise
/// of a training example is symmetric and independent of that of others; a difference makes it
/// larger.
/// @throws ShapeError; NumericalError when B's halves have nothing in common
std::unique_ptr<SubsetResidual> cross_fit_residual(const ScoresOfHalves& a,
                                                   const ScoresOfHalves& b);

}  // namespace modeldiff
