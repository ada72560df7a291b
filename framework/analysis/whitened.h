#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

/// The test of differences for scores that are regressed on subset runs. Their noise is known: over
/// queries it is correlated as the outputs are, over training examples it is independent. N
/// queries, n training examples.
namespace modeldiff {

/// Unregularised scores of one algorithm in mask units, with their noise.
struct NoisyScores {
  /// W [N, n]: change of the measurement when an example is present.
  at::Tensor scores;
  /// Sigma [N, N]: covariance of the measurements over runs.
  at::Tensor output_covariance;
  /// 1 / (m keep (1 - keep)): every column of W has noise covariance Sigma times this.
  double noise_scale = 0;
};

struct WhitenedOptions {
  /// S <- (1 - x) S + x tr(S)/N I, in [0, 1).
  double shrinkage = 0.1;
  /// Directions to return; at most min(N, n).
  std::int64_t directions = 5;
};

/// All float64.
struct WhitenedResidual {
  /// c = sum(W_A W_B) / (sum(W_B W_B) - n tr(Sigma_B) scale_B): the slope of A's scores on B's
  /// without the attenuation by noise in B.
  double coefficient = 0;
  /// [min(N, n)], of L^-1 (W_A - c W_B), where L L' = S is the shrunk noise covariance. Descending.
  at::Tensor singular_values;
  /// sqrt(n) + sqrt(N): under the null all singular values stay below, when S is exact. Shrinkage
  /// puts them lower.
  double edge = 0;
  /// [J, n], orthonormal right singular vectors v; sign makes sum v^3 positive.
  at::Tensor examples;
  /// [J, N], W_A v and c W_B v: which side relies on a direction, and how much.
  at::Tensor queries_a, queries_b;
};

/// R = W_A - c W_B, whitened over queries.
/// @throws ShapeError; NumericalError when B's scores are noise alone (denominator of c not
/// positive) or S is singular
WhitenedResidual whitened_residual(const NoisyScores& a, const NoisyScores& b,
                                   const WhitenedOptions& options = {});

/// First singular value of the whitened residual when there is no difference: Gaussian noise of the
/// unshrunk S, whitened by the shrunk one, so that the effect of shrinkage is in it.
/// @param draws number of values; @param seed the draws
/// @return `draws` values, for rank_p_value()
std::vector<double> simulated_null(const NoisyScores& a, const NoisyScores& b, std::int64_t draws,
                                   std::uint64_t seed, const WhitenedOptions& options = {});

/// Two sides that are alike by construction: halves of one algorithm's runs, or runs dealt to both
/// sides at random.
struct NullPair {
  NoisyScores a, b;
};

/// First singular values of the whitened residuals of null pairs, for rank_p_value().
/// @param make called with 0 .. pairs - 1
std::vector<double> null_values(const std::function<NullPair(std::int64_t)>& make,
                                std::int64_t pairs, const WhitenedOptions& options = {});

/// Difference of means in mask units with its noise, from subset runs: W_qi = cov(y_q, mask_i) /
/// var(mask_i).
/// @param masks        [m, n] bool, true = trained on
/// @param measurements [m, N] float32 or float64
NoisyScores noisy_scores(const at::Tensor& masks, const at::Tensor& measurements);

}  // namespace modeldiff
