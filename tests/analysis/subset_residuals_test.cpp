#include "analysis/subset_residuals.h"

#include <doctest/doctest.h>

#include <cmath>

#include "analysis/permutation.h"
#include "analysis/scorecard.h"
#include "drawn.h"
#include "modeldiff/core/error.h"

using namespace modeldiff;
using namespace modeldiff::testing;

namespace {

constexpr std::int64_t kQueries = 60, kExamples = 400, kPlanted = 20;
/// With so many a covariance counts as known.
constexpr std::int64_t kManyRuns = 1000000;

/// A covariance [N, N] that is far from isotropic.
at::Tensor covariance(std::uint64_t seed, std::int64_t queries) {
  const at::Tensor factors = normal(seed, {queries, queries});
  return at::matmul(factors, factors.t()) / static_cast<double>(queries) +
         0.1 * at::eye(queries, at::kDouble);
}

at::Tensor noise_of(std::uint64_t seed, const at::Tensor& sigma, std::int64_t examples) {
  return at::matmul(at::linalg_cholesky(sigma), normal(seed, {sigma.size(0), examples}));
}

/// signal + noise of covariance sigma * scale over queries.
NoisyScores noisy(std::uint64_t seed, const at::Tensor& signal, const at::Tensor& sigma,
                  double scale) {
  return {signal + std::sqrt(scale) * noise_of(seed, sigma, signal.size(1)), sigma, scale,
          kManyRuns};
}

at::Tensor planted_rows() {
  at::Tensor out = at::zeros({kExamples}, at::kBool);
  out.narrow(0, 100, kPlanted).fill_(true);
  return out;
}

/// What one side uses alone: the planted examples, for every query.
at::Tensor use_of_planted() {
  return 1.5 * at::outer(at::ones({kQueries}, at::kDouble), planted_rows().to(at::kDouble));
}

double first_value(const SubsetResidual& residual) {
  return residual.directions(1).singular_values[0].item<double>();
}

}  // namespace

TEST_CASE("whitened noise of known covariance reaches sqrt(n) + sqrt(N) and no further") {
  constexpr std::int64_t kMany = 300, kColumns = 1000;
  constexpr int kDraws = 20;
  constexpr double kTolerance = 0.03;
  const at::Tensor sigma_a = covariance(1, kMany);
  const at::Tensor sigma_b = covariance(2, kMany);
  // What both use alike is known: it fixes the coefficient and drops out of the residual.
  const at::Tensor common = 50 * normal(3, {kMany, kColumns});
  for (int draw = 0; draw < kDraws; ++draw) {
    CAPTURE(draw);
    const auto residual = whitened_residual(
        {noisy(10 + draw, common, sigma_a, 0.01), noisy(40 + draw, common, sigma_b, 0.02), {}}, 0);
    const double edge = std::sqrt(1000.0) + std::sqrt(300.0);
    CHECK(std::abs(first_value(*residual) / edge - 1) < kTolerance);
  }
}

TEST_CASE("the coefficient between two noisy copies is 1: attenuation by noise is taken out") {
  const at::Tensor sigma = covariance(1, kQueries);
  const at::Tensor signal = normal(2, {kQueries, 500});
  double apart = 0, paired = 0, uncorrected = 0;
  for (int draw = 0; draw < 5; ++draw) {
    const NoisyScores a = noisy(10 + draw, signal, sigma, 1.0);
    apart += whitened_residual({a, noisy(20 + draw, signal, sigma, 1.0), {}})->coefficient() / 5;
    // Half of B's noise is A's.
    NoisyScores b = a;
    b.scores = signal + std::sqrt(0.5) * (a.scores - signal) +
               std::sqrt(0.5) * noise_of(30 + draw, sigma, 500);
    const SubsetSides together{a, b, std::sqrt(0.5) * sigma};
    paired += plain_residual(together)->coefficient() / 5;
    uncorrected += plain_residual({a, b, {}})->coefficient() / 5;
  }
  CHECK(std::abs(apart - 1) < 0.05);  // uncorrected: about 0.48
  CHECK(std::abs(paired - 1) < 0.05);
  CHECK(uncorrected > 1.3);
}

TEST_CASE("a planted direction stands out of the residual and of its null, which is calibrated") {
  const at::Tensor sigma = covariance(1, kQueries);
  const at::Tensor common = 3 * normal(2, {kQueries, kExamples});
  const SubsetSides sides{
      noisy(3, common + use_of_planted(), sigma, 1), noisy(4, common, sigma, 1), {}};
  const auto residual = whitened_residual(sides);
  const DirectionSet found = residual->directions(2);
  const double first = found.singular_values[0].item<double>();
  CHECK(rank_p_value(first, residual->null(99, 5)) == 0.01);
  CHECK(precision_at(found.examples[0], planted_rows(), kPlanted) >= 0.9);
  CHECK(found.explained_a[0].item<double>() > found.explained_b[0].item<double>());
  CHECK(found.shares.sum().item<double>() < 1);
  const at::Tensor stability = direction_stability(
      found.examples, kQueries,
      [&](const at::Tensor& drawn) { return residual->directions_of(drawn, 2); }, 10, 7);
  CHECK(stability[0].item<double>() > 0.9);

  // The other way round it is the same subspace, with the roles exchanged.
  const DirectionSet other = whitened_residual({sides.b, sides.a, {}})->directions(1);
  CHECK(std::abs(at::dot(other.examples[0], found.examples[0]).item<double>()) > 0.9);
  CHECK(other.explained_a[0].item<double>() < other.explained_b[0].item<double>());

  constexpr int kRepeats = 20;
  for (const bool whiten : {true, false}) {
    CAPTURE(whiten);
    int below = 0;
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
      const SubsetSides alike{
          noisy(100 + repeat, common, sigma, 1), noisy(200 + repeat, common, sigma, 1), {}};
      const auto null = whiten ? whitened_residual(alike) : plain_residual(alike);
      below += rank_p_value(first_value(*null), null->null(19, repeat)) <= 0.05;
    }
    CHECK(below <= 5);  // binomial(20, .05): P(> 5) = 3e-4
  }
}

TEST_CASE("a covariance estimated from few runs makes no difference of noise") {
  constexpr std::int64_t kRuns = 3 * kQueries;
  constexpr int kRepeats = 20;
  const at::Tensor sigma = covariance(1, kQueries);
  const at::Tensor common = 3 * normal(2, {kQueries, kExamples});
  const auto estimated = [&](std::uint64_t seed) {
    const at::Tensor outputs = noise_of(seed + 1, sigma, kRuns);
    NoisyScores out = noisy(seed, common, sigma, 1);
    out.output_covariance = at::matmul(outputs, outputs.t()) / (kRuns - 1);
    out.runs = kRuns;
    return out;
  };
  for (const bool whiten : {true, false}) {
    CAPTURE(whiten);
    int below = 0, as_if_known = 0;
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
      SubsetSides sides{estimated(100 + 10 * repeat), estimated(500 + 10 * repeat), {}};
      const auto p_value = [&] {
        const auto null = whiten ? whitened_residual(sides) : plain_residual(sides);
        return rank_p_value(first_value(*null), null->null(19, repeat));
      };
      below += p_value() <= 0.05;
      sides.a.runs = sides.b.runs = kManyRuns;
      as_if_known += p_value() <= 0.05;
    }
    CHECK(below <= 5);
    if (whiten) CHECK(as_if_known > 5);
  }
}

TEST_CASE("pairs that share their noise show what independent runs hide") {
  const at::Tensor sigma = covariance(1, kQueries);
  const at::Tensor common = 3 * normal(2, {kQueries, kExamples});
  const at::Tensor shared = 10 * noise_of(3, sigma, kExamples);
  const auto side = [&](std::uint64_t seed, const at::Tensor& signal) {
    return NoisyScores{signal + shared + noise_of(seed, sigma, kExamples), 101 * sigma, 1,
                       kManyRuns};
  };
  const NoisyScores a = side(4, common + use_of_planted()), b = side(5, common);
  const auto paired = plain_residual({a, b, 100 * sigma});
  const DirectionSet found = paired->directions(1);
  CHECK(precision_at(found.examples[0], planted_rows(), kPlanted) >= 0.9);
  CHECK(rank_p_value(first_value(*paired), paired->null(99, 5)) <= 0.05);
  const auto apart = plain_residual({a, b, {}});
  CHECK(rank_p_value(first_value(*apart), apart->null(99, 5)) > 0.5);
}

TEST_CASE("eigenvalues of a cross-fit are those of (R1'R2 + R2'R1)/2, the largest first") {
  for (const std::int64_t n : {5, 30}) {  // fewer and more training examples than rows of both
    CAPTURE(n);
    // Halves of B that are alike and orthogonal to A's: the coefficient is 0 and R is A.
    const at::Tensor frame = orthonormal_rows(1, n, n);
    const at::Tensor a1 = at::matmul(normal(2, {6, n - 1}), frame.narrow(0, 1, n - 1));
    const at::Tensor a2 = at::matmul(normal(3, {6, n - 1}), frame.narrow(0, 1, n - 1));
    const at::Tensor b = frame[0].expand({6, n}).contiguous();
    const auto residual = cross_fit_residual({a1, a2}, {b, b});
    CHECK(std::abs(residual->coefficient()) < 1e-12);
    const DirectionSet found = residual->directions(2);
    const at::Tensor product = at::matmul(a1.t(), a2);
    const auto [values, vectors] = at::linalg_eigh((product + product.t()) / 2);
    CHECK(found.singular_values[0].item<double>() ==
          doctest::Approx(std::sqrt(values[-1].item<double>())).epsilon(1e-10));
    const std::int64_t count = found.examples.size(0);
    const at::Tensor overlap =
        at::matmul(found.examples, vectors.flip(1).narrow(1, 0, count)).abs();
    CHECK(largest_difference(overlap, at::eye(count, at::kDouble)) < 1e-10);
    CHECK(found.examples.pow(3).sum(1).gt(0).all().item<bool>());
  }
}

TEST_CASE("a cross-fit finds a planted direction, and its null is calibrated") {
  const at::Tensor sigma = covariance(1, kQueries);
  const at::Tensor common = 3 * normal(2, {kQueries, kExamples});
  const auto halves = [&](std::uint64_t seed, const at::Tensor& signal) {
    return ScoresOfHalves{signal + noise_of(seed, sigma, kExamples),
                          signal + noise_of(seed + 1000, sigma, kExamples)};
  };
  const auto residual = cross_fit_residual(halves(3, common + use_of_planted()), halves(4, common));
  CHECK(std::abs(residual->coefficient() - 1) < 0.1);
  CHECK(precision_at(residual->directions(1).examples[0], planted_rows(), kPlanted) >= 0.9);
  CHECK(rank_p_value(first_value(*residual), residual->null(99, 5)) == 0.01);
  constexpr int kRepeats = 20;
  int below = 0;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const auto null =
        cross_fit_residual(halves(100 + repeat, common), halves(200 + repeat, common));
    below += rank_p_value(first_value(*null), null->null(19, repeat)) <= 0.05;
  }
  CHECK(below <= 5);  // binomial(20, .05): P(> 5) = 3e-4
}

TEST_CASE("subset scores that cannot be compared are refused") {
  const at::Tensor sigma = at::eye(3, at::kDouble);
  const at::Tensor none = at::zeros({3, 8}, at::kDouble);
  CHECK_THROWS_AS(whitened_residual({noisy(1, none + 1, sigma, 0.1), {none, sigma, 1, 9}, {}}),
                  NumericalError);
  CHECK_THROWS_AS(cross_fit_residual({none, none}, {none, none}), NumericalError);
  CHECK_THROWS_WITH_AS(whitened_residual({{none, sigma, 1, 9}, {none, at::eye(4), 1, 9}, {}}),
                       "scores [3, 8] float64 [queries, training examples] of B do not fit its "
                       "covariance [4, 4] float32 "
                       "[queries, queries]",
                       ShapeError);
}
