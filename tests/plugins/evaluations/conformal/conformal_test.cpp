#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "modeldiff/core/random.h"
#include "plugins/evaluations/conformal/prediction_sets.h"

namespace modeldiff::conformal {
namespace {

Calibration one_row_each(const at::Tensor& scores) {
  return {at::arange(scores.numel()), scores.to(at::kDouble)};
}

TEST_CASE("jackknife+ of four rows, by hand") {
  // f^{-i}(x) = 1, 2, 3, 4 and R = 2, 1, 1, 0.5: f - R = -1, 1, 2, 3.5; f + R = 3, 3, 4, 4.5.
  const at::Tensor predictions = at::tensor({1.0, 2.0, 3.0, 4.0}, at::kDouble).view({4, 1});
  const Calibration calibration = one_row_each(at::tensor({2.0, 1.0, 1.0, 0.5}));
  // floor(0.4 * 5) = 2 and ceil(0.6 * 5) = 3.
  const Intervals second = jackknife_plus(predictions, calibration, 0.4);
  CHECK(second.lower.item<double>() == 1);
  CHECK(second.upper.item<double>() == 4);
  // 0.2 * 5 is 1: the outermost.
  const Intervals first = jackknife_plus(predictions, calibration, 0.2);
  CHECK(first.lower.item<double>() == -1);
  CHECK(first.upper.item<double>() == 4.5);
}

TEST_CASE("an interval whose order statistic does not exist is infinite") {
  const at::Tensor predictions = at::zeros({4, 3}, at::kDouble);
  const Intervals wide = jackknife_plus(predictions, one_row_each(at::ones({4})), 0.19);
  CHECK(wide.lower.equal(at::full({3}, -INFINITY, at::kDouble)));
  CHECK(wide.upper.equal(at::full({3}, INFINITY, at::kDouble)));
}

TEST_CASE(
    "with models that agree, jackknife+ is the prediction and an order statistic of residuals") {
  const at::Tensor residuals = at::arange(1, 20).to(at::kDouble);  // 1..19
  const Intervals found =
      jackknife_plus(at::full({19, 2}, 5.0, at::kDouble), one_row_each(residuals), 0.1);
  // ceil(0.9 * 20) = 18
  CHECK(found.lower.equal(at::full({2}, -13.0, at::kDouble)));
  CHECK(found.upper.equal(at::full({2}, 23.0, at::kDouble)));
}

TEST_CASE("cross-conformal p-values of two folds, by hand") {
  // Rows 0, 1 of fold 0 with scores 1 and 3, rows 2, 3 of fold 1 with scores 2 and 4.
  const Calibration calibration{at::tensor({0, 0, 1, 1}, at::kLong),
                                at::tensor({3.0, 1.0, 2.0, 4.0}, at::kDouble)};
  // One test row, two classes. Class 0: 1 under both models, so 2 + 2 scores are as large; class 1:
  // 3.5 under model 0 (none) and 4 under model 1 (one, a tie counts).
  const at::Tensor scores = at::tensor({1.0, 3.5, 1.0, 4.0}, at::kDouble).view({2, 1, 2});
  const at::Tensor p = cross_p_values(scores, calibration);
  CHECK(p[0][0].item<double>() == doctest::Approx(1));
  CHECK(p[0][1].item<double>() == doctest::Approx(0.4));
  CHECK(cross_sets(p, 0.39).equal(at::ones({1, 2}, at::kBool)));
  // p > alpha: at 0.4 the class is out.
  CHECK(cross_sets(p, 0.4).equal(at::tensor({1, 0}).to(at::kBool).view({1, 2})));
}

TEST_CASE("the guarantee is 1 - 2 alpha for single rows, and a little less for folds") {
  CHECK(guaranteed_coverage(0.1, 300, 300) == doctest::Approx(0.8));
  // min{2 * 0.95 / 301, (1 - 20/6000) / 21}
  CHECK(guaranteed_coverage(0.1, 6000, 20) == doctest::Approx(0.8 - 1.9 / 301));
  CHECK(guaranteed_coverage(0.1, 100, 50) == doctest::Approx(0.8 - 0.5 / 51));
  CHECK(guaranteed_coverage(0.4999, 4, 2) == 0);
}

TEST_CASE("Clopper-Pearson intervals are those of the tables") {
  // 8 of 10 at 95 %: 0.4439 to 0.9748.
  const Interval some = proportion(8, 10, 0.95);
  CHECK(some.estimate == 0.8);
  CHECK(some.lower == doctest::Approx(0.44390).epsilon(1e-4));
  CHECK(some.upper == doctest::Approx(0.97479).epsilon(1e-4));
  // All of n: from (tail)^(1/n) to 1.
  const Interval all = proportion(20, 20, 0.95);
  CHECK(all.lower == doctest::Approx(std::pow(0.025, 1.0 / 20)));
  CHECK(all.upper == 1);
  CHECK(proportion(0, 20, 0.95).lower == 0);
}

/// Least squares of kRows rows and kColumns columns with normal noise, left out by the closed form.
constexpr std::int64_t kRows = 30, kColumns = 3;
constexpr std::int64_t kTrials = 400;

at::Tensor drawn(RandomStream& random, at::IntArrayRef shape) {
  at::Tensor out = at::empty(shape, at::kDouble);
  double* values = out.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < out.numel(); ++i) values[i] = random.normal();
  return out;
}

/// Whether the interval of one new row holds, for one drawn training set.
bool covers(std::uint64_t seed, double alpha) {
  RandomStream random(seed, "simulated");
  const at::Tensor x = drawn(random, {kRows + 1, kColumns});
  const at::Tensor y = x.sum(1) + drawn(random, {kRows + 1});
  const at::Tensor a = x.slice(0, 0, kRows), b = y.slice(0, 0, kRows), fresh = x[kRows];
  const at::Tensor inverse = a.t().mm(a).inverse();
  const at::Tensor w = inverse.mv(a.t().mv(b));
  const at::Tensor leverage = a.mm(inverse).mul(a).sum(1);
  const at::Tensor left_out = (b - a.mv(w)) / (1 - leverage);  // y_i - f^{-i}(x_i)
  // w^{-i} = w - (A'A)^{-1} a_i (y_i - f^{-i}(x_i))
  const at::Tensor predictions = fresh.dot(w) - a.mm(inverse).mv(fresh) * left_out;
  const Intervals found =
      jackknife_plus(predictions.unsqueeze(1), one_row_each(left_out.abs()), alpha);
  const double target = y[kRows].item<double>();
  return found.lower.item<double>() <= target && target <= found.upper.item<double>();
}

TEST_CASE("jackknife+ covers new rows of a linear model as often as it should") {
  const double alpha = 0.2;
  std::int64_t covered = 0;
  for (std::int64_t trial = 0; trial < kTrials; ++trial)
    covered += covers(static_cast<std::uint64_t>(trial), alpha) ? 1 : 0;
  CAPTURE(covered);
  // Below the guarantee or far from the nominal level at a chance of 1e-6 each.
  CHECK(binomial_tail(kTrials - covered, kTrials, 2 * alpha) > 1e-6);
  CHECK(proportion(covered, kTrials, 1 - 1e-6).lower < 1 - alpha);
  CHECK(proportion(covered, kTrials, 1 - 1e-6).upper > 1 - alpha);
}

}  // namespace
}  // namespace modeldiff::conformal
