#include "modeldiff/run_sums.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <tuple>
#include <vector>

#include "modeldiff/core/random.h"
#include "modeldiff/lasso.h"

namespace modeldiff {
namespace {

constexpr std::int64_t kStrata = 3;
constexpr double kKeep[kStrata] = {0.25, 0.5, 0.7};
constexpr double kOffset[kStrata] = {5, -40, 0.3};

double most_off(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

/// Runs of three strata in turn: measurements are linear in the mask, with an offset for each
/// stratum.
struct StratifiedRuns {
  at::Tensor masks;         // [m, n] bool
  at::Tensor strata;        // [m] int64
  at::Tensor theta;         // [N, n] float64, every entry off 0
  at::Tensor measurements;  // [m, N] float64

  StratifiedRuns(std::int64_t m, std::int64_t n, std::int64_t queries, float noise)
      : masks(at::empty({m, n}, at::kBool)), strata(at::arange(m).remainder(kStrata)) {
    RandomStream random(1, "masks");
    for (std::int64_t e = 0; e < m * n; ++e)
      masks.mutable_data_ptr<bool>()[e] = random.uniform_double() < kKeep[e / n % kStrata];
    const auto normal = [&](at::IntArrayRef shape, float deviation) {
      at::Tensor out = at::empty(shape, at::kFloat);
      random.fill_normal(out.mutable_data_ptr<float>(), out.numel(), deviation);
      return out.to(at::kDouble);
    };
    theta = normal({queries, n}, 1);
    theta += 0.1 * theta.sign();
    const at::Tensor offsets =
        at::tensor(std::vector<double>(kOffset, kOffset + kStrata), at::kDouble)
            .index_select(0, strata);
    measurements =
        masks.to(at::kDouble).mm(theta.t()) + offsets.unsqueeze(1) + normal({m, queries}, noise);
  }

  std::int64_t runs() const { return masks.size(0); }

  /// Less the mean of the stratum.
  at::Tensor centred(const at::Tensor& values) const {
    at::Tensor out = values.to(at::kDouble).clone();
    for (std::int64_t s = 0; s < kStrata; ++s) {
      const at::Tensor rows = strata.eq(s).nonzero().squeeze(1);
      out.index_copy_(0, rows, out.index_select(0, rows) - out.index_select(0, rows).mean(0));
    }
    return out;
  }

  /// In blocks of so many runs.
  void add_to(RunSums& sums, std::int64_t block, const at::Tensor& heldout = {}) const {
    for (std::int64_t first = 0; first < runs(); first += block) {
      const std::int64_t count = std::min(block, runs() - first);
      sums.add(masks.narrow(0, first, count), measurements.narrow(0, first, count),
               strata.narrow(0, first, count),
               heldout.defined() ? heldout.narrow(0, first, count) : heldout);
    }
  }
};

at::Tensor every_fifth(std::int64_t runs) { return at::arange(runs).remainder(5).eq(2); }

}  // namespace

TEST_CASE("a linear function of the mask with any offset for each stratum is recovered") {
  // With every weight off 0 the solution is w = X~+ y - lambda G^-1 sign(w): with the last term added
  // it is theta exactly.
  constexpr double kLambda = 1e-4;
  const StratifiedRuns runs(240, 30, 2, 0);
  RunSums sums(30, 2);
  runs.add_to(sums, 240);
  const LassoFit fit = lasso(sums, at::full({1}, kLambda, at::kDouble), {.gap = 1e-13});
  REQUIRE(fit.nonzeros.eq(30).all().item<bool>());
  const at::Tensor x = runs.centred(runs.masks), s = x.square().mean(0).sqrt();
  const at::Tensor gram = (x / s).t().mm(x / s) / 240;
  const at::Tensor shrinkage = at::linalg_solve(gram, runs.theta.sign().t()).t() * kLambda / s;
  CHECK(most_off(fit.weights + shrinkage, runs.theta) < 1e-9);
  // The intercepts are free: residuals sum to 0 within each stratum.
  const at::Tensor predicted =
      runs.masks.to(at::kDouble).mm(fit.weights.t()) + fit.intercepts.index_select(0, runs.strata);
  CHECK(most_off(runs.centred(runs.measurements - predicted), runs.measurements - predicted) <
        1e-9);

  RunSums pooled(30, 2);
  pooled.add(runs.masks, runs.measurements);
  const LassoFit one = lasso(pooled, at::full({1}, kLambda, at::kDouble));
  CHECK(most_off(one.weights, runs.theta) > 1);  // the size of a run explains the offsets
}

TEST_CASE("the difference of means, its covariance and noise are pooled within strata") {
  const StratifiedRuns runs(200, 17, 3, 1);
  RunSums sums(17, 3);
  runs.add_to(sums, 200);
  const at::Tensor x = runs.centred(runs.masks), y = runs.centred(runs.measurements);
  CHECK(most_off(sums.difference_of_means(), (x.t().mm(y) / x.square().sum(0).unsqueeze(1)).t()) <
        1e-11);
  CHECK(most_off(sums.measurement_covariance(), y.t().mm(y) / (200 - kStrata)) < 1e-11);
  double variance = 0;
  for (std::int64_t s = 0; s < kStrata; ++s) {
    const at::Tensor rows = runs.strata.eq(s).nonzero().squeeze(1);
    const double keep = runs.masks.index_select(0, rows).to(at::kDouble).mean().item<double>();
    CHECK(std::abs(keep - kKeep[s]) < 0.05);
    variance += static_cast<double>(rows.size(0)) * keep * (1 - keep);
  }
  CHECK(sums.noise_scale() == doctest::Approx(1 / variance).epsilon(1e-13));
}

TEST_CASE("the size of the blocks in which runs are given changes no bit") {
  // More runs than are summed together, and not a whole number of groups.
  constexpr std::int64_t kRuns = 4500;
  const StratifiedRuns runs(kRuns, 21, 9, 1);
  const at::Tensor heldout = every_fifth(kRuns);
  const auto fitted = [&](std::int64_t block) {
    RunSums sums(21, 9);
    runs.add_to(sums, block, heldout);
    CHECK(sums.heldout_runs() == kRuns / 5);
    LassoFit fit = lasso_path(sums);
    CHECK(sums.heldout_runs() == 0);
    CHECK(sums.runs() == kRuns);
    return std::make_tuple(fit, sums.difference_of_means(), sums.measurement_covariance());
  };
  const auto [fit, means, covariance] = fitted(kRuns);
  for (const std::int64_t block : {1, 33, 4096}) {
    CAPTURE(block);
    const auto [other, other_means, other_covariance] = fitted(block);
    CHECK(other.weights.equal(fit.weights));
    CHECK(other.intercepts.equal(fit.intercepts));
    CHECK(other.heldout_errors.equal(fit.heldout_errors));
    CHECK(other_means.equal(means));
    CHECK(other_covariance.equal(covariance));
  }
}

TEST_CASE("released runs count as if they had never been held out") {
  const StratifiedRuns runs(150, 20, 4, 1);
  RunSums held(20, 4), all(20, 4);
  runs.add_to(held, 150, every_fifth(150));
  runs.add_to(all, 150);
  CHECK(most_off(held.difference_of_means(), all.difference_of_means()) > 1e-3);
  held.release_heldout();
  CHECK(most_off(held.difference_of_means(), all.difference_of_means()) < 1e-12);
  CHECK(most_off(held.measurement_covariance(), all.measurement_covariance()) < 1e-12);
  CHECK(held.noise_scale() == doctest::Approx(all.noise_scale()).epsilon(1e-14));
}

TEST_CASE("held-out errors are those of the fit with the stratum's intercept") {
  const StratifiedRuns runs(300, 25, 3, 1);
  const at::Tensor heldout = every_fifth(300);
  RunSums sums(25, 3);
  runs.add_to(sums, 64, heldout);
  const LassoFit fit = lasso_path(sums, {.refit = false});
  const at::Tensor errors = (runs.measurements - runs.masks.to(at::kDouble).mm(fit.weights.t()) -
                             fit.intercepts.index_select(0, runs.strata))
                                .index_select(0, heldout.nonzero().squeeze(1));
  const at::Tensor chosen = fit.heldout_errors.gather(1, fit.chosen.unsqueeze(1)).squeeze(1);
  // Predictions on the held-out runs are float32.
  CHECK(most_off(errors.square().mean(0) / chosen, at::ones({})) < 1e-5);
  CHECK(sums.heldout_runs() == 60);
}

TEST_CASE("measurements far from 0 lose no digits") {
  const StratifiedRuns runs(200, 17, 3, 1);
  RunSums near(17, 3), far(17, 3);
  near.add(runs.masks, runs.measurements, runs.strata);
  far.add(runs.masks, runs.measurements + std::ldexp(1.0, 20), runs.strata);
  CHECK(most_off(near.difference_of_means(), far.difference_of_means()) < 1e-8);
  CHECK(most_off(near.measurement_covariance(), far.measurement_covariance()) < 1e-8);
}

}  // namespace modeldiff
