#include "noise.h"

#include <ATen/ATen.h>

#include <cmath>

#include "analysis/scorecard.h"

namespace modeldiff::approximate_deletion {
namespace {

/// Draws of each side that a Laplace attack is judged by: a standard error of about 0.03 a run.
constexpr std::int64_t kAttackDraws = 200;

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

double laplace(RandomStream& random) {
  const double u = random.uniform_double() - 0.5;
  return std::copysign(std::log1p(-2 * std::abs(u)), -u);
}

/// log of the likelihood of a + noise under a over that under b, drawn [kAttackDraws].
at::Tensor laplace_ratios(const at::Tensor& difference, double scale, RandomStream& random) {
  const NoisePlan plan{NoiseKind::laplace};
  const at::Tensor noise =
      draw_noise(plan, scale * std::sqrt(2.0), kAttackDraws, difference.numel(), random);
  return ((noise + difference).abs() - noise.abs()).sum(1) / scale;
}

}  // namespace

double gaussian_deviation(double d0, double epsilon, double delta) {
  return d0 * std::sqrt(2 * std::log(1.25 / delta)) / epsilon;
}

double laplace_scale(double d0, double epsilon, std::int64_t parameters) {
  return std::sqrt(static_cast<double>(parameters)) * d0 / epsilon;
}

double noise_deviation(const NoisePlan& plan, double d0, std::int64_t parameters) {
  return plan.kind == NoiseKind::gaussian
             ? gaussian_deviation(d0, plan.epsilon, plan.delta)
             : std::sqrt(2.0) * laplace_scale(d0, plan.epsilon, parameters);
}

double gaussian_delta(double d, double s, double epsilon) {
  const double half = d / (2 * s), shift = epsilon * s / d;
  return normal_cdf(half - shift) - std::exp(epsilon) * normal_cdf(-half - shift);
}

double attack_bound(double epsilon, double delta) {
  return 1 - (1 - delta) * (1 - delta) / (1 + std::exp(epsilon));
}

double best_attack(const NoisePlan& plan, const at::Tensor& difference, double deviation,
                   RandomStream& random) {
  const double distance = difference.norm().item<double>();
  if (distance == 0) return 0.5;
  if (deviation == 0) return 1;
  if (plan.kind == NoiseKind::gaussian) return normal_cdf(distance / deviation / std::sqrt(2.0));
  // The noise is symmetric, so that under b the ratio is distributed as minus that under a.
  const double scale = deviation / std::sqrt(2.0);
  const at::Tensor ratios = at::cat(
      {laplace_ratios(difference, scale, random), -laplace_ratios(difference, scale, random)});
  return auroc(ratios, at::arange(2 * kAttackDraws) < kAttackDraws);
}

at::Tensor draw_noise(const NoisePlan& plan, double deviation, std::int64_t rows, std::int64_t p,
                      RandomStream& random) {
  at::Tensor out = at::empty({rows, p}, at::kDouble);
  double* values = out.mutable_data_ptr<double>();
  const bool normal = plan.kind == NoiseKind::gaussian;
  const double scale = normal ? deviation : deviation / std::sqrt(2.0);
  for (std::int64_t i = 0; i < rows * p; ++i)
    values[i] = scale * (normal ? random.normal() : laplace(random));
  return out;
}

}  // namespace modeldiff::approximate_deletion
