#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "modeldiff/core/random.h"
#include "plugins/evaluations/jackknife/estimates.h"

namespace modeldiff::jackknife {
namespace {

constexpr std::int64_t kRows = 24;

at::Tensor drawn_rows() {
  at::Tensor out = at::empty({kRows}, at::kFloat);
  RandomStream(7).fill_normal(out.mutable_data_ptr<float>(), kRows, 1);
  return out.to(at::kDouble) + 3;
}

/// The mean, and the variance with 1/n.
at::Tensor moments(const at::Tensor& x) { return at::stack({x.mean(), x.var(/*unbiased=*/false)}); }

/// Moments without rows [k d, (k + 1) d), k = 0.. @return [runs, 2]
at::Tensor left_out(const at::Tensor& x, std::int64_t d, std::int64_t runs) {
  std::vector<at::Tensor> out;
  for (std::int64_t k = 0; k < runs; ++k)
    out.push_back(moments(at::cat({x.slice(0, 0, k * d), x.slice(0, (k + 1) * d)})));
  return at::stack(out);
}

double value(const at::Tensor& x, std::int64_t i) { return x[i].item<double>(); }

TEST_CASE("the jackknife of a mean has no bias and the variance s^2 / n") {
  const at::Tensor x = drawn_rows();
  const Estimates found = estimate(moments(x), left_out(x, 1, kRows), {kRows, 1, kRows}, 0.95);
  CHECK(std::abs(value(found.bias, 0)) < 1e-12);
  CHECK(value(found.standard_error, 0) ==
        doctest::Approx(std::sqrt(x.var().item<double>() / kRows)));
  CHECK(value(found.bias_error, 0) == 0);
}

TEST_CASE("its interval is the t interval of a mean") {
  // 1, 2, 3, 4, 5: mean 3, s^2 / n = 0.5, t(4, 0.975) = 2.77645.
  const at::Tensor x = at::arange(1, 6).to(at::kDouble);
  const Estimates found = estimate(moments(x), left_out(x, 1, 5), {5, 1, 5}, 0.95);
  CHECK(value(found.lower, 0) == doctest::Approx(3 - 2.776445 * std::sqrt(0.5)));
  CHECK(value(found.upper, 0) == doctest::Approx(3 + 2.776445 * std::sqrt(0.5)));
}

TEST_CASE("the variance with 1/n is corrected to the unbiased one exactly") {
  const at::Tensor x = drawn_rows();
  const Estimates found = estimate(moments(x), left_out(x, 1, kRows), {kRows, 1, kRows}, 0.95);
  CHECK(value(found.corrected, 1) == doctest::Approx(x.var().item<double>()).epsilon(1e-12));
}

TEST_CASE("with d rows at a time a mean has no bias, and the variance of the means of blocks") {
  const at::Tensor x = drawn_rows();
  for (const std::int64_t d : {2, 3, 6}) {
    CAPTURE(d);
    const std::int64_t blocks = kRows / d;
    const Estimates found = estimate(moments(x), left_out(x, d, blocks), {kRows, d, blocks}, 0.95);
    CHECK(std::abs(value(found.bias, 0)) < 1e-12);
    const at::Tensor means = x.view({blocks, d}).mean(1);
    CHECK(value(found.standard_error, 0) ==
          doctest::Approx(std::sqrt(means.var().item<double>() / static_cast<double>(blocks))));
    // Without d rows the expected 1/n variance is sigma^2 (1 - 1/(n - d)): the correction takes out
    // the term in 1/n, for blocks in expectation only.
    CHECK(value(found.corrected, 1) == doctest::Approx(x.var().item<double>()).epsilon(0.2));
  }
}

TEST_CASE("some of the rows give what all give, on average over which they are") {
  const at::Tensor x = drawn_rows();
  const at::Tensor all = left_out(x, 1, kRows);
  const Design some{kRows, 1, 6};
  constexpr std::int64_t kDraws = 3000;
  at::Tensor bias = at::zeros({2}, at::kDouble), square = at::zeros_like(bias),
             error = at::zeros_like(bias);
  for (std::int64_t draw = 0; draw < kDraws; ++draw) {
    RandomStream random(static_cast<std::uint64_t>(draw), "rows");
    const at::Tensor rows = at::tensor(random.choose(kRows, some.runs), at::kLong);
    const Estimates found = estimate(moments(x), all.index_select(0, rows), some, 0.95);
    bias += found.bias / kDraws;
    square += found.bias.square() / kDraws;
    error += found.bias_error.square() / kDraws;
    CHECK(value(found.lower + found.upper, 0) == doctest::Approx(2 * x.mean().item<double>()));
  }
  const Estimates full = estimate(moments(x), all, {kRows, 1, kRows}, 0.95);
  for (const std::int64_t i : {0, 1}) {
    CAPTURE(i);
    // Five standard errors of the mean of the draws.
    const double spread = std::sqrt(value(square, i) - value(bias, i) * value(bias, i));
    CHECK(std::abs(value(bias, i) - value(full.bias, i)) < 5 * spread / std::sqrt(kDraws));
    CHECK(std::sqrt(value(error, i)) == doctest::Approx(spread).epsilon(0.1));
  }
}

}  // namespace
}  // namespace modeldiff::jackknife
