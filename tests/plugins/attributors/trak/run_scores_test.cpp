#include "plugins/attributors/trak/run_scores.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "modeldiff/core/error.h"
#include "tests/plugins/attributors/small_models.h"

using namespace modeldiff;
using namespace modeldiff::testing;
using trak::run_scores;

namespace {

at::Tensor doubles(std::uint64_t seed, std::vector<std::int64_t> sizes) {
  return normal(seed, sizes).to(at::kDouble);
}

/// Logistic regression on rows phi = y x by Newton's method: minimises the sum of log(1 +
/// exp(-w.phi)).
at::Tensor fit_logistic(const at::Tensor& phi, at::Tensor w) {
  for (int step = 0; step < 50; ++step) {
    const at::Tensor miss = at::sigmoid(-at::matmul(phi, w));
    const at::Tensor hessian = at::matmul(phi.t(), phi * (miss * (1 - miss)).unsqueeze(1));
    const at::Tensor move = at::linalg_solve(hessian, at::matmul(phi.t(), miss));
    w = w + move;
    if (move.norm().item<double>() < 1e-12) break;
  }
  return w;
}

at::Tensor without_row(const at::Tensor& rows, std::int64_t i) {
  return at::cat({rows.slice(0, 0, i), rows.slice(0, i + 1, rows.size(0))});
}

double mean_pearson(const at::Tensor& a, const at::Tensor& b) {
  const auto standard = [](const at::Tensor& x) {
    const at::Tensor c = x - x.mean(1, true);
    return c / c.norm(2, 1, true);
  };
  return (standard(a) * standard(b)).sum(1).mean().item<double>();
}

/// n = 300, d = 10 and an intercept; labels from a logistic model.
struct Logistic {
  at::Tensor phi, queries;  // [300, 11], [20, 11]
  at::Tensor left_out;      // [20, 300]: f - f without i, by fitting again
  at::Tensor one_minus_p;   // [300]

  explicit Logistic(std::uint64_t seed) {
    const at::Tensor x = at::cat({doubles(seed, {300, 10}), at::ones({300, 1}, at::kDouble)}, 1);
    const at::Tensor truth = doubles(seed + 100, {11});
    RandomStream random(seed, "labels");
    at::Tensor y = at::empty({300}, at::kDouble);
    for (std::int64_t i = 0; i < 300; ++i) {
      const double p = at::sigmoid(at::matmul(x[i], truth)).item<double>();
      y[i] = random.uniform_double() < p ? 1 : -1;
    }
    phi = x * y.unsqueeze(1);
    queries = at::cat({doubles(seed + 200, {20, 10}), at::ones({20, 1}, at::kDouble)}, 1);
    const at::Tensor w = fit_logistic(phi, at::zeros({11}, at::kDouble));
    left_out = at::empty({20, 300}, at::kDouble);
    for (std::int64_t i = 0; i < 300; ++i) {
      left_out.select(1, i).copy_(at::matmul(queries, w - fit_logistic(without_row(phi, i), w)));
    }
    one_minus_p = at::sigmoid(-at::matmul(phi, w));
  }

  trak::Features features() const { return {trak::FeatureRows(phi), one_minus_p}; }
};

}  // namespace

TEST_CASE("without a projection scores of a logistic regression are phi_q' (Phi'Phi)^-1 phi_i") {
  auto fixture = make_fixture(std::make_shared<LogisticModel>(6), {40, 6}, 5, 2);
  fixture->weights.parameters = doubles(9, {6});  // float64 throughout
  const auto features_of = [&](const Examples& examples) {
    return trak::features(
        {fixture->predictor, fixture->weights, Task::classification, Measurement::log_odds_margin,
         ProjectionKind::identity, 6, 0, 0, fixture->progress},
        examples);
  };
  const trak::Features train = features_of(fixture->train);
  const trak::Features queries = features_of(fixture->queries);
  const auto rows = [](const Examples& examples) {
    return examples.inputs.to(at::kDouble) * (2 * examples.targets - 1).unsqueeze(1);  // y x
  };
  const at::Tensor phi = rows(fixture->train);
  const at::Tensor expected =
      at::matmul(rows(fixture->queries), at::linalg_solve(at::matmul(phi.t(), phi), phi.t()));
  const trak::RunScores found = run_scores(train, queries.rows.all(), {}, {.damping = 0});
  CHECK(largest_difference(found.scores, expected) < 1e-10);
  CHECK(found.lambda == 0);
  const at::Tensor miss = at::sigmoid(-at::matmul(phi, fixture->weights.parameters));
  CHECK(largest_difference(train.one_minus_p, miss) < 1e-10);
}

TEST_CASE(
    "leaving one example out of a least-squares fit changes it by x'(X'X)^-1 x_i e_i / (1 - h_i)") {
  const at::Tensor x = doubles(1, {50, 6});
  const at::Tensor y = doubles(2, {50});
  const at::Tensor queries = doubles(3, {4, 6});
  const auto fit = [](const at::Tensor& inputs, const at::Tensor& targets) {
    return at::linalg_solve(at::matmul(inputs.t(), inputs), at::matmul(inputs.t(), targets));
  };
  const at::Tensor w = fit(x, y);
  const trak::Features features{trak::FeatureRows(x), at::ones({50}, at::kDouble)};
  const at::Tensor scores = run_scores(features, queries, {}, {.damping = 0}).scores;
  const at::Tensor leverage = run_scores(features, x, {}, {.damping = 0}).scores.diagonal();
  const at::Tensor predicted = scores * (y - at::matmul(x, w)) / (1 - leverage);
  for (std::int64_t i = 0; i < 50; ++i) {
    CAPTURE(i);
    const at::Tensor truth =
        at::matmul(queries, w - fit(without_row(x, i), without_row(y.unsqueeze(1), i).squeeze(1)));
    CHECK(largest_difference(predicted.select(1, i), truth) < 1e-10);
  }
}

TEST_CASE(
    "scores follow exact leave-one-out fits of a logistic regression, with Newton weights nearly "
    "exactly") {
  for (const std::uint64_t seed : {1, 2, 3}) {
    CAPTURE(seed);
    const Logistic problem(seed);
    const at::Tensor q = problem.one_minus_p;
    const auto scores = [&](const at::Tensor& of, bool newton) {
      return run_scores(problem.features(), of, {}, {.damping = 0, .newton = newton}).scores;
    };
    CHECK(mean_pearson(scores(problem.queries, false) * q, problem.left_out) >= 0.80);
    CHECK(mean_pearson(scores(problem.queries, true) * q, problem.left_out) >= 0.995);
    // With the leverage h_i = R_i phi_i' G^-1 phi_i of the step that leaves i out.
    const at::Tensor leverage = scores(problem.phi, true).diagonal() * q * (1 - q);
    const at::Tensor sharper = scores(problem.queries, true) * q / (1 - leverage);
    CHECK(largest_difference(sharper, problem.left_out) <=
          0.2 * problem.left_out.abs().max().item<double>());
  }
}

TEST_CASE(
    "with strong damping scores become the products of features over lambda; scaling f leaves "
    "their rows' directions") {
  const trak::Features train{trak::FeatureRows(doubles(1, {60, 10})), at::ones({60}, at::kDouble)};
  const at::Tensor queries = doubles(2, {5, 10});
  const trak::RunScores strong = run_scores(train, queries, {}, {.damping = 1e9});
  CHECK(relative_distance(strong.scores * strong.lambda,
                          at::matmul(queries, train.rows.all().t())) < 1e-6);
  const auto unit = [](const at::Tensor& x) { return x / x.norm(2, 1, true); };
  const trak::Features scaled{trak::FeatureRows(7 * train.rows.all()), train.one_minus_p};
  CHECK(largest_difference(unit(run_scores(scaled, 7 * queries, {}, {}).scores),
                           unit(run_scores(train, queries, {}, {}).scores)) < 1e-6);
}

TEST_CASE("a Gram matrix larger than one block is the Gram matrix") {
  const trak::Features train{trak::FeatureRows(normal(1, {5000, 600})), at::ones({5000})};
  const at::Tensor queries = normal(2, {3, 600});
  const at::Tensor phi = train.rows.all().to(at::kDouble);
  const at::Tensor gram = at::matmul(phi.t(), phi);
  const at::Tensor damped = gram + 1e-3 * gram.trace() / 600 * at::eye(600, at::kDouble);
  const at::Tensor expected =
      at::matmul(at::linalg_solve(damped, queries.to(at::kDouble).t()).t(), phi.t());
  CHECK(relative_distance(run_scores(train, queries, {}, {}).scores, expected) < 1e-5);
}

TEST_CASE("only examples that the run was trained on are in the Gram matrix, all get scores") {
  const trak::Features train{trak::FeatureRows(doubles(1, {30, 5})), at::ones({30}, at::kDouble)};
  const at::Tensor queries = doubles(2, {3, 5});
  const at::Tensor subset = at::arange(0, 30, 2, at::kLong);
  const at::Tensor phi = train.rows.all().index_select(0, subset);
  const at::Tensor expected =
      at::matmul(queries, at::linalg_solve(at::matmul(phi.t(), phi), train.rows.all().t()));
  const trak::RunScores found = run_scores(train, queries, subset, {.damping = 0});
  CHECK(found.scores.size(1) == 30);
  CHECK(largest_difference(found.scores, expected) < 1e-10);
}

TEST_CASE("a singular Gram matrix is an error that names n, k and lambda") {
  const at::Tensor queries = doubles(2, {3, 8});
  const trak::Features none{trak::FeatureRows(at::zeros({5, 8}, at::kDouble)),
                            at::ones({5}, at::kDouble)};
  CHECK_THROWS_WITH_AS(
      run_scores(none, queries, {}, {}),
      "the Gram matrix of n = 5 gradients, projected to k = 8 numbers, is singular with lambda = 0 "
      "(damping 0.001): all gradients are 0",
      NumericalError);
  // Whole numbers, so that the rank is 1 without rounding.
  const trak::Features alike{trak::FeatureRows(at::ones({5, 8}, at::kDouble)),
                             at::ones({5}, at::kDouble)};
  CHECK_THROWS_WITH_AS(
      run_scores(alike, queries, {}, {.damping = 0}),
      "the Gram matrix of n = 5 gradients, projected to k = 8 numbers, is singular with lambda = 0 "
      "(damping 0): it has no more directions than there are gradients; raise `damping` or lower "
      "`projection`",
      NumericalError);
  at::Tensor broken = doubles(1, {5, 8});
  broken[2][3] = std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH_AS(
      run_scores({trak::FeatureRows(broken), at::ones({5}, at::kDouble)}, queries, {}, {}),
      "a gradient of the measurement is not finite", NumericalError);
}
