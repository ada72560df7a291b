#include "modeldiff/lasso.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

using std::int64_t;
using Simd = RunSums::Simd;

/// As exact as float64 allows at every lambda used here.
LassoOptions exact() { return {.gap = 1e-13}; }

at::Tensor row(std::vector<double> values) { return at::tensor(values, at::kDouble); }

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

struct Problem {
  at::Tensor masks;         // [m, n] uint8
  at::Tensor measurements;  // [m, N] float64
};

/// Masks that keep each column with probability `keep`; sparse weights, an intercept, and noise.
Problem draw(int64_t m, int64_t n, int64_t queries, double keep, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform;
  Problem p{at::zeros({m, n}, at::kByte), at::zeros({m, queries}, at::kDouble)};
  for (int64_t e = 0; e < m * n; ++e)
    p.masks.mutable_data_ptr<std::uint8_t>()[e] = uniform(engine) < keep;
  at::Tensor theta = at::zeros({n, queries}, at::kDouble);
  for (int64_t e = 0; e < n * queries; ++e)
    theta.mutable_data_ptr<double>()[e] = uniform(engine) < 0.2 ? normal(engine) : 0.0;
  for (int64_t e = 0; e < m * queries; ++e)
    p.measurements.mutable_data_ptr<double>()[e] = 3 + 0.5 * normal(engine);
  p.measurements += p.masks.to(at::kDouble).mm(theta);
  return p;
}

/// Masks with `ones` ones a row.
at::Tensor fixed_size_masks(int64_t m, int64_t n, int64_t ones, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  at::Tensor masks = at::zeros({m, n}, at::kByte);
  std::vector<int64_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  for (int64_t j = 0; j < m; ++j) {
    std::shuffle(order.begin(), order.end(), engine);
    for (int64_t k = 0; k < ones; ++k) masks.mutable_data_ptr<std::uint8_t>()[j * n + order[k]] = 1;
  }
  return masks;
}

/// Columns of `masks` less their mean, over their standard deviation where asked; constant columns
/// are 0.
at::Tensor centred(const at::Tensor& masks, bool standardise = true) {
  const at::Tensor x = masks.to(at::kDouble), c = x - x.mean(0);
  if (!standardise) return c;
  const at::Tensor s = c.square().mean(0).sqrt();
  return at::where(s > 1e-9, c / s, at::zeros_like(c));
}

/// The duality gap of K4 over |y|^2/2m, from the definition on the full design, for every query.
at::Tensor gaps_by_definition(const Problem& p, const LassoFit& fit, bool standardise = true) {
  const double m = static_cast<double>(p.masks.size(0));
  const at::Tensor x = centred(p.masks, standardise), y = p.measurements - p.measurements.mean(0);
  const at::Tensor raw = p.masks.to(at::kDouble);
  const at::Tensor s = standardise ? (raw - raw.mean(0)).square().mean(0).sqrt()
                                   : at::ones({raw.size(1)}, at::kDouble);
  const at::Tensor w = fit.weights.t() * s.unsqueeze(1);
  const at::Tensor r = y - x.mm(w);
  const at::Tensor steepest = x.t().mm(r).abs().amax(0);
  const at::Tensor u = r * at::clamp_max(m * fit.lambdas / steepest, 1.0);
  const at::Tensor primal = r.square().sum(0) / (2 * m) + fit.lambdas * w.abs().sum(0);
  const at::Tensor dual = (y.square().sum(0) - (y - u).square().sum(0)) / (2 * m);
  return (primal - dual) / (y.square().sum(0) / (2 * m));
}

nlohmann::json baseline() {
  std::ifstream file(std::string(MODELDIFF_SOURCE_DIR) + "/tests/baselines/lasso.json");
  REQUIRE(file.good());
  return nlohmann::json::parse(file);
}

at::Tensor matrix(const nlohmann::json& rows) {
  std::vector<double> flat;
  for (const auto& r : rows)
    for (const double v : r) flat.push_back(v);
  return at::tensor(flat, at::kDouble).reshape({static_cast<int64_t>(rows.size()), -1});
}

at::Tensor masks_of(const nlohmann::json& rows) {
  std::vector<std::uint8_t> flat;
  for (const std::string r : rows)
    for (const char c : r) flat.push_back(c == '1');
  return at::tensor(flat, at::kByte).reshape({static_cast<int64_t>(rows.size()), -1});
}

struct Means {
  int threads = 1;
  Simd simd = Simd::kBest;
};

/// The sums of a whole problem. @param heldout rows
std::unique_ptr<RunSums> summed(const at::Tensor& masks, const at::Tensor& measurements,
                                const at::Tensor& heldout = {}, Means means = {}) {
  auto sums =
      std::make_unique<RunSums>(masks.size(1), measurements.size(1), means.threads, means.simd);
  const at::Tensor is_out = at::zeros({masks.size(0)}, at::kBool);
  if (heldout.defined()) is_out.index_fill_(0, heldout, true);
  sums->add(masks, measurements, {}, is_out);
  return sums;
}

LassoFit lasso(const at::Tensor& masks, const at::Tensor& measurements, const at::Tensor& lambdas,
               const LassoOptions& options = {}, Means means = {}) {
  return lasso(*summed(masks, measurements, {}, means), lambdas, options);
}

LassoFit lasso_path(const at::Tensor& masks, const at::Tensor& measurements,
                    const at::Tensor& heldout, const LassoPath& path = {},
                    const LassoOptions& options = {}, Means means = {}) {
  return lasso_path(*summed(masks, measurements, heldout, means), path, options);
}

at::Tensor difference_of_means(const at::Tensor& masks, const at::Tensor& measurements,
                               Means means = {}) {
  return summed(masks, measurements, {}, means)->difference_of_means();
}

std::vector<Simd> every_simd() {
  std::vector<Simd> out;
  for (const Simd simd : {Simd::kBaseline, Simd::kAvx2, Simd::kAvx512}) {
    try {
      const RunSums on_this_processor(1, 1, 1, simd);
      out.push_back(simd);
    } catch (const ConfigError&) {
    }
  }
  return out;
}

}  // namespace

TEST_CASE("on orthogonal columns the lasso is the soft threshold of the difference of means") {
  // Sylvester-Hadamard: entry (j, i) is the sign of the parity of j & i. Masks of columns 1..31 are
  // (1 + H)/2.
  constexpr int64_t m = 64, n = 31;
  at::Tensor signs = at::empty({m, n}, at::kDouble);
  for (int64_t j = 0; j < m; ++j)
    for (int64_t i = 0; i < n; ++i) {
      const auto common = static_cast<std::uint64_t>(j & (i + 1));
      signs.mutable_data_ptr<double>()[j * n + i] = std::popcount(common) % 2 ? -1.0 : 1.0;
    }
  at::Tensor w = at::zeros({n}, at::kDouble);
  w[0] = 1.0;
  w[1] = -0.5;
  w[2] = 0.05;
  const at::Tensor masks = (1 + signs) / 2, y = (7 + signs.mv(w)).unsqueeze(1);

  const LassoFit fit = lasso(masks, y, row({0.1}), exact());
  at::Tensor expected = at::zeros({1, n}, at::kDouble);
  expected[0][0] = 0.9 * 2;  // s = 1/2: theta = 2 w
  expected[0][1] = -0.4 * 2;
  CHECK(largest_difference(fit.weights, expected) < 1e-10);
  // b + theta . mask = mean y + w . sign, and mask = (1 + sign)/2
  CHECK(fit.intercepts[0].item<double>() == doctest::Approx(7 - 0.9 + 0.4).epsilon(1e-10));
  CHECK(fit.nonzeros[0].item<int64_t>() == 2);
  CHECK(largest_difference(difference_of_means(masks, y), 2 * w.unsqueeze(0)) < 1e-10);
}

TEST_CASE(
    "one gradient step is linear in the mask, and the lasso finds its coefficients less their "
    "known shrinkage") {
  // f(mask) = sum_i mask_i eta y_i x_i . x: the step from 0 on the linear hinge. With every weight
  // off 0 the solution is w = X~+ y - lambda G^-1 sign(w), so adding the last term back gives theta
  // exactly.
  constexpr int64_t n = 60, m = 200, d = 9;
  const Problem p = draw(m, n, 1, 0.5, 5);
  std::mt19937_64 engine(6);
  std::normal_distribution<double> normal;
  at::Tensor x = at::empty({n, d}, at::kDouble), query = at::empty({d}, at::kDouble);
  for (int64_t e = 0; e < n * d; ++e) x.mutable_data_ptr<double>()[e] = normal(engine);
  for (int64_t e = 0; e < d; ++e) query.mutable_data_ptr<double>()[e] = normal(engine);
  const at::Tensor label =
      at::where(at::arange(n).remainder(2) == 0, at::ones({n}, at::kDouble), -1.0);
  at::Tensor theta = 0.1 * label * x.mv(query);
  theta =
      theta + 0.01 * theta.sign();  // off 0, so that the signs of the solution are those of theta
  const at::Tensor y = p.masks.to(at::kDouble).mv(theta).unsqueeze(1);

  constexpr double lambda = 1e-4;
  const LassoFit fit = lasso(p.masks, y, row({lambda}), exact());
  REQUIRE(fit.nonzeros[0].item<int64_t>() == n);
  const at::Tensor standard = centred(p.masks), gram = standard.t().mm(standard) / m;
  const at::Tensor s =
      (p.masks.to(at::kDouble) - p.masks.to(at::kDouble).mean(0)).square().mean(0).sqrt();
  const at::Tensor shrunk =
      at::linalg_solve(gram, theta.sign().unsqueeze(1)).squeeze(1) * lambda / s;
  CHECK(largest_difference(fit.weights[0] + shrunk, theta) < 1e-10);
}

TEST_CASE("solutions are those of scikit-learn") {
  for (const auto& c : baseline()["fixed"]) {
    CAPTURE(c["name"].get<std::string>());
    LassoOptions options = exact();
    options.standardise = c["standardise"].get<bool>();
    const LassoFit fit =
        lasso(masks_of(c["masks"]), matrix(c["measurements"]), row(c["lambdas"]), options);
    CHECK(fit.unconverged == 0);
    CHECK(largest_difference(fit.weights, matrix(c["weights"])) < 1e-9);
    CHECK(largest_difference(fit.intercepts, row(c["intercepts"])) < 1e-9);
    CHECK(largest_difference(fit.lambda_max, row(c["lambda_max"])) < 1e-12);
  }
}

TEST_CASE("a path has scikit-learn's held-out errors, choices, and refitted weights") {
  const nlohmann::json c = baseline()["path"];
  const at::Tensor heldout = at::tensor(c["heldout"].get<std::vector<int64_t>>(), at::kLong);
  const at::Tensor chosen = at::tensor(c["chosen"].get<std::vector<int64_t>>(), at::kLong);
  LassoPath path{.lambdas = c["lambdas"], .ratio = c["ratio"], .refit = false};
  const at::Tensor masks = masks_of(c["masks"]), y = matrix(c["measurements"]);
  const LassoFit fit = lasso_path(masks, y, heldout, path, exact());
  CHECK(fit.unconverged == 0);
  // Predictions on the held-out runs are float32.
  CHECK(largest_difference(fit.heldout_errors / matrix(c["errors"]), at::ones({})) < 1e-5);
  CHECK(fit.chosen.equal(chosen));
  CHECK(largest_difference(fit.weights, matrix(c["weights"])) < 1e-9);
  path.refit = true;
  CHECK(largest_difference(lasso_path(masks, y, heldout, path, exact()).weights,
                           matrix(c["refit"])) < 1e-9);
}

TEST_CASE("at lambda_max and above all weights are 0, and just below it exactly one is not") {
  const Problem p = draw(300, 80, 11, 0.5, 1);
  for (const bool standardise : {true, false}) {
    CAPTURE(standardise);
    LassoOptions options;
    options.standardise = standardise;
    const at::Tensor top = lasso(p.masks, p.measurements, row({1e6}), options).lambda_max;
    CHECK(largest_difference(
              top,
              (centred(p.masks, standardise).t().mm(p.measurements - p.measurements.mean(0)) / 300)
                  .abs()
                  .amax(0)) < 1e-12);
    for (const double above : {1.0, 1.5}) {
      const LassoFit fit = lasso(p.masks, p.measurements, top * above, options);
      CHECK(fit.weights.count_nonzero().item<int64_t>() == 0);
      CHECK(largest_difference(fit.intercepts, p.measurements.mean(0)) < 1e-12);
      CHECK(fit.worst_gap < 1e-14);
    }
    CHECK(lasso(p.masks, p.measurements, top * 0.999, options)
              .nonzeros.equal(at::ones({11}, at::kLong)));
  }
}

TEST_CASE("the reported gap is the duality gap, not negative, and within what was asked for") {
  const Problem p = draw(200, 90, 9, 0.3, 2);
  for (const double asked : {1e-1, 1e-3, 1e-6, 1e-8, 1e-12}) {
    for (const bool standardise : {true, false}) {
      CAPTURE(asked);
      CAPTURE(standardise);
      LassoOptions options{.standardise = standardise, .gap = asked};
      const LassoFit fit = lasso(p.masks, p.measurements, row({0.05}), options);
      const at::Tensor gaps = gaps_by_definition(p, fit, standardise);
      CHECK(fit.unconverged == 0);
      CHECK(fit.worst_gap <= asked);
      CHECK(fit.gaps.min().item<double>() >= 0);
      CHECK(gaps.min().item<double>() > -1e-14);
      CHECK(largest_difference(fit.gaps, gaps) < 1e-13);
    }
  }
}

TEST_CASE("a query that runs into the cap on sweeps says so, and others do not suffer") {
  Problem p = draw(120, 100, 3, 0.5, 3);
  p.measurements.select(1, 1).fill_(2.5);
  LassoOptions options{.gap = 1e-12, .max_sweeps = 2};
  const LassoFit fit = lasso(p.masks, p.measurements, row({1e-3}), options);
  CHECK(fit.unconverged == 2);
  CHECK_FALSE(fit.converged[0].item<bool>());
  CHECK(fit.converged[1].item<bool>());
  CHECK(fit.gaps[0].item<double>() > 1e-12);
  CHECK(largest_difference(fit.gaps, at::nan_to_num(gaps_by_definition(p, fit))) < 1e-12);
}

TEST_CASE("a constant measurement has no weights, its value as intercept, and no gap") {
  const Problem p = draw(50, 20, 1, 0.5, 4);
  const at::Tensor y = at::full({50, 1}, 0.1, at::kFloat);
  const LassoFit fit = lasso(p.masks, y, row({1e-3}));
  CHECK(fit.weights.count_nonzero().item<int64_t>() == 0);
  CHECK(fit.intercepts[0].item<double>() == static_cast<double>(0.1f));
  CHECK(fit.worst_gap == 0);
  CHECK(fit.unconverged == 0);
  const LassoFit path = lasso_path(p.masks, y, at::arange(10));
  CHECK(path.weights.count_nonzero().item<int64_t>() == 0);
  CHECK(path.unconverged == 0);
}

TEST_CASE("a column that is in every run or in none gets weight 0 and changes nothing else") {
  const Problem p = draw(100, 30, 4, 0.5, 5);
  at::Tensor wider = at::cat({p.masks.narrow(1, 0, 10), at::ones({100, 1}, at::kByte),
                              p.masks.narrow(1, 10, 20), at::zeros({100, 1}, at::kByte)},
                             1);
  for (const bool standardise : {true, false}) {
    CAPTURE(standardise);
    LassoOptions options = exact();
    options.standardise = standardise;
    const LassoFit with = lasso(wider, p.measurements, row({0.02}), options);
    const LassoFit without = lasso(p.masks, p.measurements, row({0.02}), options);
    CHECK(with.weights.select(1, 10).count_nonzero().item<int64_t>() == 0);
    CHECK(with.weights.select(1, 31).count_nonzero().item<int64_t>() == 0);
    const at::Tensor others =
        at::cat({with.weights.narrow(1, 0, 10), with.weights.narrow(1, 11, 20)}, 1);
    CHECK(largest_difference(others, without.weights) < 1e-9);
    CHECK(largest_difference(with.intercepts, without.intercepts) < 1e-9);
  }
  CHECK(difference_of_means(wider, p.measurements).select(1, 10).count_nonzero().item<int64_t>() ==
        0);
}

TEST_CASE("masks of a fixed size, whose columns sum to a constant, are solved") {
  const at::Tensor masks = fixed_size_masks(150, 60, 24, 7);
  const at::Tensor x = masks.to(at::kDouble);
  REQUIRE(
      at::linalg_matrix_rank(at::cat({at::ones({150, 1}, at::kDouble), x}, 1)).item<int64_t>() ==
      60);
  Problem p = draw(150, 60, 5, 0.4, 8);
  p.masks = masks;
  for (const double lambda : {0.3, 0.03, 0.003}) {
    CAPTURE(lambda);
    LassoOptions options{.gap = 1e-10};
    const LassoFit fit = lasso(masks, p.measurements, row({lambda}), options);
    CHECK(fit.unconverged == 0);
    CHECK(gaps_by_definition(p, fit).max().item<double>() <= 1e-10);
    // The intercept is free: residuals sum to 0.
    const at::Tensor residual = p.measurements - fit.intercepts - x.mm(fit.weights.t());
    CHECK(residual.sum(0).abs().max().item<double>() < 1e-9);
  }
}

TEST_CASE("fewer runs than columns are solved to the gap") {
  const Problem p = draw(60, 400, 5, 0.5, 9);
  const LassoFit fit =
      lasso_path(p.masks, p.measurements, at::arange(0, 60, 6), {.lambdas = 15, .ratio = 0.02});
  CHECK(fit.unconverged == 0);
  CHECK(fit.worst_gap <= 1e-8);
  CHECK(gaps_by_definition(p, fit).max().item<double>() <= 1.1e-8);
}

TEST_CASE("the number of threads changes no bit") {
  const Problem p = draw(300, 150, 21, 0.5, 10);
  const at::Tensor heldout = at::arange(30, 90);
  const LassoOptions options{.gap = 1e-6};
  const LassoFit one = lasso_path(p.masks, p.measurements, heldout, {}, options);
  const LassoFit one_fixed = lasso(p.masks, p.measurements, row({0.05}), options);
  for (const int threads : {2, 4}) {
    CAPTURE(threads);
    const Means means{.threads = threads};
    const LassoFit many = lasso_path(p.masks, p.measurements, heldout, {}, options, means);
    CHECK(many.weights.equal(one.weights));
    CHECK(many.intercepts.equal(one.intercepts));
    CHECK(many.gaps.equal(one.gaps));
    CHECK(many.heldout_errors.equal(one.heldout_errors));
    CHECK(many.sweeps.equal(one.sweeps));
    CHECK(lasso(p.masks, p.measurements, row({0.05}), options, means)
              .weights.equal(one_fixed.weights));
    CHECK(difference_of_means(p.masks, p.measurements, means)
              .equal(difference_of_means(p.masks, p.measurements)));
  }
}

TEST_CASE("a query's solution does not depend on its company") {
  const Problem p = draw(200, 100, 12, 0.5, 11);
  const LassoFit all = lasso(p.masks, p.measurements, row({0.05}));
  for (const int64_t q : {0, 7, 11}) {
    CAPTURE(q);
    const LassoFit alone = lasso(p.masks, p.measurements.narrow(1, q, 1), row({0.05}));
    CHECK(alone.weights[0].equal(all.weights[q]));
  }
}

TEST_CASE("instruction sets agree up to rounding") {
  // More columns than a strip of bytes or a padded row holds, and more runs than sums of bytes
  // hold.
  const Problem p = draw(700, 213, 10, 0.6, 12);
  const std::vector<Simd> sets = every_simd();
  REQUIRE_FALSE(sets.empty());
  const LassoFit best = lasso(p.masks, p.measurements, row({0.01}), exact());
  for (const Simd simd : sets) {
    CAPTURE(static_cast<int>(simd));
    const LassoFit fit = lasso(p.masks, p.measurements, row({0.01}), exact(), {.simd = simd});
    CHECK(fit.unconverged == 0);
    CHECK(largest_difference(fit.weights, best.weights) < 1e-10);
    CHECK(gaps_by_definition(p, fit).max().item<double>() < 2e-13);
    const LassoFit path =
        lasso_path(p.masks, p.measurements, at::arange(100), {}, {}, {.simd = simd});
    CHECK(path.worst_gap <= 1e-8);
  }
}

TEST_CASE("counts do not overflow with many runs that share their columns") {
  // 70,000 runs that nearly all have both columns: past a byte, 16 bits, and float32's share of the
  // digits.
  constexpr int64_t m = 70000;
  at::Tensor masks = at::ones({m, 3}, at::kByte);
  masks.index_put_({at::arange(0, m, 7), at::tensor({0})}, 0);
  masks.index_put_({at::arange(0, m, 5), at::tensor({1})}, 0);
  const at::Tensor x = masks.to(at::kDouble);
  const at::Tensor y = 1 + 2 * x.select(1, 0) - x.select(1, 1);
  for (const Simd simd : every_simd()) {
    CAPTURE(static_cast<int>(simd));
    const Problem p{masks, y.unsqueeze(1)};
    const LassoFit fit = lasso(masks, p.measurements, row({0.01}), exact(), {.simd = simd});
    CHECK(largest_difference(fit.gaps, gaps_by_definition(p, fit)) < 1e-12);
    CHECK(fit.weights[0][0].item<double>() == doctest::Approx(2).epsilon(0.05));
    CHECK(fit.weights[0][2].item<double>() == 0);
  }
}

TEST_CASE("the difference of means is X~'(Y - mean)/m over the deviation of the column") {
  const Problem p = draw(333, 41, 13, 0.3, 14);
  const at::Tensor deviation = p.masks.to(at::kDouble).var(0, /*unbiased=*/false).sqrt();
  const at::Tensor expected =
      centred(p.masks).t().mm(p.measurements - p.measurements.mean(0)).t() / 333 / deviation;
  CHECK(largest_difference(difference_of_means(p.masks, p.measurements), expected) < 1e-12);
  CHECK(largest_difference(difference_of_means(p.masks, p.measurements.to(at::kFloat)), expected) <
        1e-6);
}

TEST_CASE("masks may be bool, bytes or floats, and measurements float32") {
  const Problem p = draw(90, 33, 3, 0.5, 15);
  const at::Tensor bytes = lasso(p.masks, p.measurements, row({.05})).weights;
  CHECK(lasso(p.masks.to(at::kBool), p.measurements, row({.05})).weights.equal(bytes));
  CHECK(lasso(p.masks.to(at::kFloat).t().contiguous().t(), p.measurements, row({.05}))
            .weights.equal(bytes));
  const at::Tensor narrow = p.measurements.to(at::kFloat);
  CHECK(lasso(p.masks, narrow, row({.05}))
            .weights.equal(lasso(p.masks, narrow.to(at::kDouble), row({.05})).weights));
}

TEST_CASE("a path that is stopped early keeps the best lambda it has seen") {
  const Problem p = draw(120, 60, 8, 0.5, 16);
  const at::Tensor heldout = at::arange(40);
  const LassoPath whole{.lambdas = 40, .ratio = 1e-3, .refit = false};
  LassoPath stopped = whole;
  stopped.patience = 5;
  const LassoFit a = lasso_path(p.masks, p.measurements, heldout, whole);
  const LassoFit b = lasso_path(p.masks, p.measurements, heldout, stopped);
  const at::Tensor seen = b.heldout_errors.isnan().logical_not();
  CHECK(seen.sum().item<int64_t>() < 8 * 40);
  CHECK(at::where(seen, b.heldout_errors, 0.0).equal(at::where(seen, a.heldout_errors, 0.0)));
  for (int64_t q = 0; q < 8; ++q) {
    CAPTURE(q);
    const int64_t chosen = b.chosen[q].item<int64_t>();
    CHECK(seen[q].sum().item<int64_t>() == std::min<int64_t>(40, chosen + 6));
    CHECK(b.heldout_errors[q][chosen].item<double>() ==
          at::nan_to_num(b.heldout_errors[q], 1e300).min().item<double>());
  }
}

TEST_CASE("what cannot be fitted is refused with what was found") {
  const Problem p = draw(20, 5, 2, 0.5, 17);
  const at::Tensor one = row({.1});
  CHECK_THROWS_AS(lasso(p.masks.narrow(0, 0, 19), p.measurements, one), ShapeError);
  CHECK_THROWS_AS(lasso(p.masks, p.measurements, row({.1, .1, .1})), ShapeError);
  CHECK_THROWS_AS(lasso(p.masks, p.measurements.to(at::kLong), one), ShapeError);
  CHECK_THROWS_WITH_AS(lasso(p.masks, p.measurements, row({.1, 0})),
                       "lambda of query 1 must be above 0 and finite, found 0", DataError);
  at::Tensor masks = p.masks.clone();
  masks[3][4] = 2;
  CHECK_THROWS_WITH_AS(lasso(masks, p.measurements, one), "masks[3, 4] must be 0 or 1, found 2",
                       DataError);
  at::Tensor y = p.measurements.clone();
  y[7][1] = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH_AS(lasso(p.masks, y, one), "measurements[7, 1] is not finite", DataError);
  CHECK_THROWS_WITH_AS(
      lasso_path(p.masks, p.measurements, at::arange(19)),
      "1 runs in 1 strata, and 19 held out: there must be one more than strata, and one in each",
      DataError);
  RunSums sums(5, 2);
  sums.add(p.masks.narrow(0, 0, 9), p.measurements.narrow(0, 0, 9));
  CHECK_THROWS_WITH_AS(lasso_path(sums), "none of 9 runs is held out; at least 1 must be",
                       DataError);
  CHECK_THROWS_WITH_AS(sums.add(masks, p.measurements), "masks[12, 4] must be 0 or 1, found 2",
                       DataError);
  CHECK_THROWS_WITH_AS(sums.add(p.masks, p.measurements, at::full({20}, -1, at::kLong)),
                       "strata[0] is -1", DataError);
  sums.add(p.masks.narrow(0, 9, 1), p.measurements.narrow(0, 9, 1), at::ones({1}, at::kLong),
           at::ones({1}, at::kBool));
  CHECK_THROWS_WITH_AS(
      lasso_path(sums),
      "9 runs in 2 strata, and 1 held out: there must be one more than strata, and one in each",
      DataError);
}

}  // namespace modeldiff
