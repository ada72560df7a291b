#include "analysis/whitened.h"

#include <doctest/doctest.h>

#include <cmath>

#include "analysis/permutation.h"
#include "analysis/scorecard.h"
#include "drawn.h"
#include "modeldiff/core/error.h"

using namespace modeldiff;
using namespace modeldiff::testing;

namespace {

/// A covariance [N, N] that is far from isotropic.
at::Tensor covariance(std::uint64_t seed, std::int64_t queries) {
  const at::Tensor factors = normal(seed, {queries, queries});
  return at::matmul(factors, factors.t()) / static_cast<double>(queries) +
         0.1 * at::eye(queries, at::kDouble);
}

/// signal + noise of covariance sigma * scale over queries.
NoisyScores noisy(std::uint64_t seed, const at::Tensor& signal, const at::Tensor& sigma,
                  double scale) {
  const at::Tensor noise =
      at::matmul(at::linalg_cholesky(sigma), normal(seed, {signal.size(0), signal.size(1)}));
  return {signal + std::sqrt(scale) * noise, sigma, scale};
}

}  // namespace

TEST_CASE("whitened noise of known covariance reaches sqrt(n) + sqrt(N) and no further") {
  constexpr std::int64_t kQueries = 300, kExamples = 1000;
  constexpr int kDraws = 20;
  constexpr double kTolerance = 0.03;
  const at::Tensor sigma_a = covariance(1, kQueries);
  const at::Tensor sigma_b = covariance(2, kQueries);
  // What both use alike is known: it fixes the coefficient and drops out of the residual.
  const at::Tensor common = 50 * normal(3, {kQueries, kExamples});
  for (int draw = 0; draw < kDraws; ++draw) {
    CAPTURE(draw);
    const NullPair pair{noisy(10 + draw, common, sigma_a, 0.01),
                        noisy(40 + draw, common, sigma_b, 0.02)};
    const std::vector<double> first =
        null_values([&](std::int64_t) { return pair; }, 1, {.shrinkage = 0});
    const double edge = std::sqrt(1000.0) + std::sqrt(300.0);
    CHECK(std::abs(first[0] / edge - 1) < kTolerance);
  }
}

TEST_CASE("the coefficient between two noisy copies is 1: attenuation by noise is taken out") {
  const at::Tensor sigma = covariance(1, 60);
  const at::Tensor signal = normal(2, {60, 500});
  double mean = 0;
  for (int draw = 0; draw < 5; ++draw) {
    const WhitenedResidual out = whitened_residual(noisy(10 + draw, signal, sigma, 1.0),
                                                   noisy(20 + draw, signal, sigma, 1.0));
    mean += out.coefficient / 5;
  }
  CHECK(std::abs(mean - 1) < 0.05);  // uncorrected: about 0.48
}

TEST_CASE(
    "a planted direction stands out of the whitened residual and of the simulated null, which is "
    "calibrated") {
  constexpr std::int64_t kQueries = 60, kExamples = 400, kPlanted = 20;
  const at::Tensor sigma = covariance(1, kQueries);
  const at::Tensor common = 3 * normal(2, {kQueries, kExamples});
  at::Tensor planted = at::zeros({kExamples}, at::kBool);
  planted.narrow(0, 100, kPlanted).fill_(true);
  const at::Tensor use =
      1.5 * at::outer(at::ones({kQueries}, at::kDouble), planted.to(at::kDouble));

  const NoisyScores a = noisy(3, common + use, sigma, 1);
  const NoisyScores b = noisy(4, common, sigma, 1);
  const WhitenedResidual found = whitened_residual(a, b, {.directions = 2});
  const std::vector<double> null = simulated_null(a, b, 99, 5);
  CHECK(rank_p_value(found.singular_values[0].item<double>(), null) == 0.01);
  CHECK(precision_at(found.examples[0], planted, kPlanted) >= 0.9);
  CHECK(found.queries_a[0].abs().mean().item<double>() >
        2 * found.queries_b[0].abs().mean().item<double>());
  CHECK(found.edge == doctest::Approx(20 + std::sqrt(60.0)));

  constexpr int kRepeats = 20;
  int below = 0;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const NoisyScores x = noisy(100 + repeat, common, sigma, 1);
    const NoisyScores y = noisy(200 + repeat, common, sigma, 1);
    const double first = whitened_residual(x, y).singular_values[0].item<double>();
    below += rank_p_value(first, simulated_null(x, y, 19, repeat)) <= 0.05;
  }
  CHECK(below <= 5);  // binomial(20, .05): P(> 5) = 3e-4
}

TEST_CASE("scores of subset runs carry the noise that they claim") {
  // y = 2 mask_0 - mask_1 + noise: W is unbiased and its columns spread by sqrt(Sigma * scale).
  constexpr std::int64_t kRuns = 4000, kExamples = 50;
  RandomStream random(1, "masks");
  at::Tensor masks = at::empty({kRuns, kExamples}, at::kBool);
  for (std::int64_t i = 0; i < masks.numel(); ++i) masks.data_ptr<bool>()[i] = random.below(2) == 1;
  const at::Tensor kept = masks.to(at::kDouble);
  const at::Tensor y =
      at::stack({2 * kept.select(1, 0) - kept.select(1, 1), kept.select(1, 2)}, 1) +
      normal(2, {kRuns, 2});
  const NoisyScores out = noisy_scores(masks, y);
  CHECK(std::abs(out.noise_scale * kRuns / 4 - 1) < 0.01);
  const double deviation = std::sqrt(out.output_covariance[0][0].item<double>() * out.noise_scale);
  CHECK(std::abs(out.scores[0][0].item<double>() - 2) < 4 * deviation);
  CHECK(std::abs(out.scores[0][1].item<double>() + 1) < 4 * deviation);
  const double spread = out.scores[0].narrow(0, 3, kExamples - 3).std().item<double>();
  CHECK(std::abs(spread / deviation - 1) < 0.35);  // of 47 values: 3 standard errors
}

TEST_CASE("what cannot be compared is refused") {
  const at::Tensor sigma = at::eye(3, at::kDouble);
  const at::Tensor none = at::zeros({3, 8}, at::kDouble);
  CHECK_THROWS_AS(whitened_residual(noisy(1, none + 1, sigma, 0.1), {none, sigma, 1}),
                  NumericalError);
  CHECK_THROWS_WITH_AS(whitened_residual({none, sigma, 1}, {none, at::eye(4), 1}),
                       "scores [3, 8] float64 [queries, training examples] of B do not fit its "
                       "covariance [4, 4] float32 "
                       "[queries, queries]",
                       ShapeError);
}
