#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>

#include "modeldiff/core/random.h"
#include "modeldiff/core/schema.h"

namespace modeldiff {

enum class NoiseKind { gaussian, laplace };

template <>
struct Choices<NoiseKind> {
  static constexpr std::pair<NoiseKind, const char*> names[] = {{NoiseKind::gaussian, "gaussian"},
                                                                {NoiseKind::laplace, "laplace"}};
};

}  // namespace modeldiff

/// Output noise: w + noise and w' + noise, |w - w'|_2 <= d0, are (epsilon, delta)-indistinguishable:
/// P(w + noise in S) <= e^epsilon P(w' + noise in S) + delta for every set S, both ways round.
/// Dwork and Roth 2014, "The Algorithmic Foundations of Differential Privacy".
namespace modeldiff::approximate_deletion {

struct NoisePlan {
  NoiseKind kind = NoiseKind::gaussian;
  double epsilon = 1;
  /// 0 is reached by Laplace noise alone.
  double delta = 1e-5;
};

/// d0 sqrt(2 ln(1.25 / delta)) / epsilon, the standard deviation of each coordinate (Theorem A.1,
/// for epsilon <= 1).
double gaussian_deviation(double d0, double epsilon, double delta);
/// sqrt(p) d0 / epsilon, b of the density exp(-|x| / b) / (2 b): |x|_1 <= sqrt(p) |x|_2.
double laplace_scale(double d0, double epsilon, std::int64_t parameters);
/// Standard deviation of each coordinate of either.
double noise_deviation(const NoisePlan& plan, double d0, std::int64_t parameters);

/// The least delta with which two normal distributions of deviation s, their means d apart, are
/// (epsilon, delta)-indistinguishable: Phi(d/2s - epsilon s/d) - e^epsilon Phi(-d/2s - epsilon s/d).
/// Balle and Wang 2018 (arXiv:1805.06083), Theorem 8.
double gaussian_delta(double d, double s, double epsilon);

/// The largest area under the ROC curve that any test can have between two (epsilon,
/// delta)-indistinguishable distributions: 1 - (1 - delta)^2 / (1 + e^epsilon), the area over the
/// trade-off curve max(0, 1 - delta - e^epsilon x, e^-epsilon (1 - delta - x)) of Wasserman and Zhou
/// 2010 (arXiv:0811.2501).
double attack_bound(double epsilon, double delta);

/// Area under the ROC curve of the likelihood ratio between a + noise and b + noise for somebody who
/// knows a and b, the best of all tests. Gaussian: Phi(|a - b| / (s sqrt(2))); Laplace: from draws.
/// @param difference a - b [p] float64
/// @param deviation s, as noise_deviation() says
double best_attack(const NoisePlan& plan, const at::Tensor& difference, double deviation,
                   RandomStream& random);

/// @return [rows, p] float64
at::Tensor draw_noise(const NoisePlan& plan, double deviation, std::int64_t rows, std::int64_t p,
                      RandomStream& random);

}  // namespace modeldiff::approximate_deletion
