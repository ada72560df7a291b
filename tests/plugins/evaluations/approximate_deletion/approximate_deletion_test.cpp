#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "modeldiff/core/random.h"
#include "plugins/evaluations/approximate_deletion/bounds.h"
#include "plugins/evaluations/approximate_deletion/noise.h"

namespace modeldiff::approximate_deletion {
namespace {

TEST_CASE("noise is scaled as in closed form") {
  // sqrt(2 ln 125,000) = 4.8448, from the formula of Dwork and Roth.
  CHECK(gaussian_deviation(0.01, 1, 1e-5) == doctest::Approx(0.048448).epsilon(1e-4));
  CHECK(gaussian_deviation(0.01, 0.5, 1e-5) == doctest::Approx(2 * 0.048448).epsilon(1e-4));
  CHECK(laplace_scale(0.01, 0.5, 100) == doctest::Approx(0.2));
  CHECK(noise_deviation({NoiseKind::laplace, 0.5, 0}, 0.01, 100) ==
        doctest::Approx(0.2 * std::sqrt(2.0)));
}

TEST_CASE("drawn noise has the deviation that is asked for, each coordinate") {
  // The sample deviation of kDraws numbers has a relative error of 0.0035 (normal), 0.0056
  // (Laplace); five of them are allowed.
  constexpr std::int64_t kDraws = 40000;
  for (const NoiseKind kind : {NoiseKind::gaussian, NoiseKind::laplace}) {
    CAPTURE(static_cast<int>(kind));
    RandomStream random(3);
    const at::Tensor noise = draw_noise({kind}, 0.7, 200, kDraws / 200, random);
    CHECK(noise.std().item<double>() == doctest::Approx(0.7).epsilon(0.028));
    CHECK(std::abs(noise.mean().item<double>()) < 5 * 0.7 / std::sqrt(1.0 * kDraws));
    // E|x| tells the two apart: sqrt(2 / pi) s, and s / sqrt(2).
    const double ratio = noise.abs().mean().item<double>() / 0.7;
    CHECK(ratio == doctest::Approx(kind == NoiseKind::gaussian ? 0.7979 : 0.7071).epsilon(0.02));
  }
}

TEST_CASE("Gaussian noise of that deviation keeps (epsilon, delta) for a shift of d0") {
  for (const double epsilon : {0.05, 0.3, 1.0}) {
    for (const double delta : {1e-8, 1e-5, 1e-2}) {
      CAPTURE(epsilon);
      CAPTURE(delta);
      const double s = gaussian_deviation(0.3, epsilon, delta);
      const double reached = gaussian_delta(0.3, s, epsilon);
      CHECK(reached > 0);
      CHECK(reached <= delta);
      CHECK(gaussian_delta(0.1, s, epsilon) <= reached);  // a smaller shift is told less well
    }
  }
  // With half the noise it would not hold.
  CHECK(gaussian_delta(0.3, gaussian_deviation(0.3, 1, 1e-5) / 2, 1) > 1e-5);
}

TEST_CASE("the exact delta of two normal distributions is the integral of what e^epsilon leaves") {
  // max over sets of P(S) - e^epsilon Q(S), by a Riemann sum in one dimension.
  const double d = 1, s = 1.3, epsilon = 0.4;
  const auto density = [&](double x) {
    return std::exp(-x * x / (2 * s * s)) / (s * std::sqrt(2 * M_PI));
  };
  double sum = 0;
  const double step = 1e-4;
  for (double x = -15; x < 15; x += step)
    sum += step * std::max(0.0, density(x - d) - std::exp(epsilon) * density(x));
  CHECK(gaussian_delta(d, s, epsilon) == doctest::Approx(sum).epsilon(1e-5));
}

TEST_CASE("the best attack is below what epsilon and delta allow, and above chance") {
  RandomStream random(5);
  const std::int64_t p = 400;
  const double d0 = 0.2;
  const at::Tensor difference = at::full({p}, d0 / std::sqrt(1.0 * p), at::kDouble);
  for (const double epsilon : {0.2, 1.0}) {
    CAPTURE(epsilon);
    const NoisePlan gaussian{NoiseKind::gaussian, epsilon, 1e-5};
    const double auc = best_attack(gaussian, difference, noise_deviation(gaussian, d0, p), random);
    CHECK(auc > 0.5);
    CHECK(auc < attack_bound(epsilon, 1e-5));
    // |a - b|_1 = sqrt(p) d0 here: Laplace noise is as small as it may be.
    const NoisePlan laplace{NoiseKind::laplace, epsilon, 0};
    CHECK(best_attack(laplace, difference, noise_deviation(laplace, d0, p), random) <
          attack_bound(epsilon, 0) + 0.1);  // three standard errors of its draws
  }
  CHECK(attack_bound(0, 0) == 0.5);
  CHECK(attack_bound(1, 1) == 1);
}

TEST_CASE("the attack on Gaussian noise is what its likelihood ratio reaches on draws") {
  const at::Tensor a = at::tensor({0.3, -0.2}, at::kDouble);
  const NoisePlan plan{NoiseKind::gaussian, 1, 1e-5};
  RandomStream random(8);
  const double stated = best_attack(plan, a, 0.5, random);
  const std::int64_t draws = 4000;
  const at::Tensor under_a = (draw_noise(plan, 0.5, draws, 2, random) + a).mv(a);
  const at::Tensor under_b = draw_noise(plan, 0.5, draws, 2, random).mv(a);
  const double measured = (under_a > under_b).to(at::kDouble).mean().item<double>();
  CHECK(std::abs(measured - stated) < 4 * 0.5 / std::sqrt(1.0 * draws));
}

TEST_CASE("without distance there is nothing to tell, without noise everything") {
  RandomStream random(1);
  const NoisePlan plan;
  CHECK(best_attack(plan, at::zeros({3}, at::kDouble), 0.1, random) == 0.5);
  CHECK(best_attack(plan, at::ones({3}, at::kDouble), 0, random) == 1);
}

TEST_CASE("an empirical bound is found in the first half of the runs and checked in the second") {
  const EmpiricalBound bound =
      empirical_bound(std::vector<double>{1, 3, 2, /**/ 5.9, 6.1, 0.1, 7}, 2);
  CHECK(bound.d0 == 6);
  CHECK(bound.checked == 4);
  CHECK(bound.violations == 2);
}

TEST_CASE("the interval of a share is Clopper and Pearson's") {
  const Interval none = share_interval(0, 20, 0.95);
  CHECK(none.lower == 0);
  CHECK(none.upper == doctest::Approx(1 - std::pow(0.025, 1 / 20.0)).epsilon(1e-9));
  const Interval some = share_interval(3, 20, 0.95);
  CHECK(some.lower == doctest::Approx(0.0321).epsilon(0.002));  // as R's binom.test(3, 20)
  CHECK(some.upper == doctest::Approx(0.3789).epsilon(0.002));
  CHECK(share_interval(20, 20, 0.95).upper == 1);
}

at::Tensor drawn(at::IntArrayRef shape, std::uint64_t seed) {
  at::Tensor out = at::empty(shape, at::kFloat);
  RandomStream(seed).fill_normal(out.mutable_data_ptr<float>(), out.numel(), 1);
  return out;
}

TEST_CASE("weights are no farther from the ridge solution than the gradient over lambda") {
  constexpr std::int64_t kRows = 80, kColumns = 5;
  constexpr double kPenalty = 0.05;
  const at::Tensor inputs = drawn({kRows, kColumns}, 1), targets = drawn({kRows, 1}, 2);
  const auto objective =
      make_linear_objective(inputs, targets, 1, /*bias=*/false, {}, Precision::float64);
  std::vector<std::int32_t> rows(kRows - 7);  // those that remain
  std::iota(rows.begin(), rows.end(), 7);
  const auto n = static_cast<double>(rows.size());
  const at::Tensor x = inputs.slice(0, 7).to(at::kDouble), y = targets.slice(0, 7).to(at::kDouble);
  const at::Tensor hessian = x.t().mm(x) / n + kPenalty * at::eye(kColumns, at::kDouble);
  const at::Tensor optimum = at::linalg_solve(hessian, (x.t().mm(y) / n).squeeze(1));
  CHECK(distance_to_optimum(*objective, optimum, rows, kPenalty) < 1e-12);
  for (const std::uint64_t seed : {3, 4, 5}) {
    CAPTURE(seed);
    const at::Tensor v = drawn({kColumns}, seed).to(at::kDouble);
    const double bound = distance_to_optimum(*objective, optimum + v, rows, kPenalty);
    CHECK(bound >= v.norm().item<double>());
    // On a quadratic it is |H v| / lambda.
    CHECK(bound == doctest::Approx(hessian.mv(v).norm().item<double>() / kPenalty).epsilon(1e-9));
  }
}

}  // namespace
}  // namespace modeldiff::approximate_deletion
