#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "plugins/evaluations/data_value/values.h"

namespace modeldiff::data_value {
namespace {

TEST_CASE("a row is worth what the mean test loss rises without it") {
  const Value value =
      value_of(at::tensor({1.0, 2.0, 3.0}, at::kDouble), at::tensor({1.5, 2.0, 4.0}, at::kDouble));
  CHECK(value.value == doctest::Approx(0.5));
  // Differences 0.5, 0, 1: standard deviation 0.5, over the root of 3.
  CHECK(value.error == doctest::Approx(0.5 / std::sqrt(3.0)));
}

/// Least squares through 0 of y on x: w = sum x y / sum x^2.
double slope(const at::Tensor& x, const at::Tensor& y) {
  return ((x * y).sum() / x.square().sum()).item<double>();
}

TEST_CASE("values of least squares are those of its leave-one-out formula") {
  const at::Tensor x = at::tensor({1.0, 2.0, -1.0, 3.0}, at::kDouble);
  const at::Tensor y = at::tensor({1.1, 1.7, -1.4, 3.3}, at::kDouble);
  const at::Tensor test_x = at::tensor({1.0, -2.0, 0.5}, at::kDouble);
  const at::Tensor test_y = at::tensor({0.9, -2.2, 0.4}, at::kDouble);
  const auto losses = [&](double w) { return 0.5 * (w * test_x - test_y).square(); };
  const double w = slope(x, y);
  for (std::int64_t i = 0; i < 4; ++i) {
    CAPTURE(i);
    const at::Tensor kept = at::arange(4).ne(i);
    const double exact = slope(x.masked_select(kept), y.masked_select(kept));
    // w^{-i} = w - x_i e_i / (sum x^2 - x_i^2), e_i = y_i - w x_i
    const double xi = x[i].item<double>(), residual = y[i].item<double>() - w * xi;
    const double moved = w - xi * residual / (x.square().sum().item<double>() - xi * xi);
    // The loss is quadratic in w: its change is g v + h v^2 / 2.
    const double g = (test_x * (w * test_x - test_y)).mean().item<double>();
    const double h = test_x.square().mean().item<double>(), v = moved - w;
    CHECK(value_of(losses(w), losses(exact)).value == doctest::Approx(g * v + 0.5 * h * v * v));
  }
}

TEST_CASE("values that are the exact ones times 1.1 agree in rank, and are 10 % off") {
  const std::vector<double> exact{-1, 2, 0.5, 4, -3}, values{-1.1, 2.2, 0.55, 4.4, -3.3};
  const Agreement found = agreement(values, exact, {});
  CHECK(found.spearman.estimate == doctest::Approx(1));
  CHECK(found.spearman.lower == doctest::Approx(1));
  CHECK(found.pearson.estimate == doctest::Approx(1));
  CHECK(found.relative_error == doctest::Approx(0.1));
}

TEST_CASE("the opposite order has rank correlation -1") {
  const std::vector<double> exact{1, 2, 3, 4}, values{4, 3, 2, 1};
  CHECK(agreement(values, exact, {}).spearman.estimate == doctest::Approx(-1));
}

TEST_CASE("wrong labels are found where their values are the smaller ones") {
  const std::vector<double> values{-3, 1, -2, 2, 3}, wrong{1, 0, 1, 0, 0};
  CHECK(wrong_label_auroc(values, wrong, {}).estimate == 1);
  const std::vector<double> half{1, 0, 0, 0, 1};
  CHECK(wrong_label_auroc(values, half, {}).estimate == 0.5);
}

}  // namespace
}  // namespace modeldiff::data_value
