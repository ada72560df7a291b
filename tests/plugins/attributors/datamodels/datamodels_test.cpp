#include <doctest/doctest.h>

#include <cmath>

#include "modeldiff/core/error.h"
#include "tests/plugins/attributors/attributor_plugin.h"
#include "tests/plugins/attributors/small_models.h"

using namespace modeldiff;
using namespace modeldiff::testing;

namespace {

constexpr std::int64_t kRuns = 400, kExamples = 40, kQueries = 5;

/// Runs whose measurements are linear in the masks: theta has 3 nonzero weights a query.
struct LinearRuns {
  at::Tensor masks = at::empty({kRuns, kExamples}, at::kBool);
  at::Tensor theta = at::zeros({kQueries, kExamples});
  std::vector<TensorMap> runs;
  Examples train, queries;
  QuietProgress progress;

  explicit LinearRuns(float noise) {
    RandomStream random(1, "masks");
    for (std::int64_t i = 0; i < masks.numel(); ++i)
      masks.data_ptr<bool>()[i] = random.below(2) == 1;
    for (std::int64_t q = 0; q < kQueries; ++q) {
      theta[q][q] = 2;
      theta[q][q + 10] = -1;
      theta[q][q + 20] = 0.5;
    }
    const at::Tensor y =
        3 + at::matmul(masks.to(at::kFloat), theta.t()) + normal(2, {kRuns, kQueries}, noise);
    for (std::int64_t run = 0; run < kRuns; ++run)
      runs.push_back({{"measurements", y[run].clone()}});
    train.inputs = at::zeros({kExamples, 1});
    queries.inputs = at::zeros({kQueries, 1});
  }

  Attribution combined(const Json& params, int threads = 1) {
    return make_attributor(params)->combine({.runs = runs,
                                             .masks = masks,
                                             .train = train,
                                             .queries = queries,
                                             .threads = threads,
                                             .progress = progress});
  }
};

}  // namespace

TEST_CASE("a run is scored by its measurements of the queries") {
  auto fixture = make_fixture(std::make_shared<MlpModel>(std::vector<std::int64_t>{20, 12, 4}),
                              {10, 20}, 7, 4);
  const TensorMap found = make_attributor()->score_run({.facts = fixture->facts,
                                                        .train = fixture->train,
                                                        .queries = fixture->queries,
                                                        .predictor = fixture->predictor,
                                                        .weights = fixture->weights,
                                                        .checkpoints = fixture->checkpoints,
                                                        .subset = {},
                                                        .progress = fixture->progress});
  Pass pass;
  const at::Tensor logits =
      fixture->predictor.model->forward(fixture->weights, fixture->queries.inputs, pass);
  CHECK(largest_difference(found.at("measurements"),
                           log_odds_margin(logits, fixture->queries.targets)) < 1e-5);
}

TEST_CASE("sparse weights come back in mask units, and what was fitted is told") {
  LinearRuns problem(0.1f);
  const Attribution found = problem.combined({});
  CHECK(found.scores.sizes() == at::IntArrayRef({kQueries, kExamples}));
  CHECK(largest_difference(found.scores, problem.theta) < 0.06);  // shrinkage and noise
  CHECK(found.facts.at("unconverged") == 0);
  CHECK(found.facts.at("worst_gap").get<double>() <= 1e-8);
  CHECK(found.facts.at("heldout_runs") == 40);
  CHECK(found.facts.at("nonzeros").at("least").get<double>() >= 3);
  CHECK(problem.combined({}, 2).scores.equal(found.scores));
}

TEST_CASE("the difference of means is unbiased with the noise that is handed on") {
  LinearRuns problem(0.5f);
  const Attribution found = problem.combined({{"estimator", "difference_of_means"}});
  CHECK(found.scores.equal(found.raw));
  CHECK(std::abs(found.noise_scale * kRuns / 4 - 1) < 0.01);
  const at::Tensor errors = (found.raw - problem.theta).to(at::kDouble);
  for (std::int64_t q = 0; q < kQueries; ++q) {
    CAPTURE(q);
    const double deviation =
        std::sqrt(found.output_covariance[q][q].item<double>() * found.noise_scale);
    CHECK(std::abs(errors[q].std().item<double>() / deviation - 1) <
          0.4);  // of 40 values: 3.5 standard errors
    CHECK(std::abs(errors[q].mean().item<double>()) < 4 * deviation / std::sqrt(40.0));
  }
  // By hand: the mean of the measurement with the example less the mean without.
  at::Tensor y = at::empty({kRuns}, at::kDouble);
  for (std::int64_t run = 0; run < kRuns; ++run) y[run] = problem.runs[run].at("measurements")[0];
  const at::Tensor with = problem.masks.select(1, 7);
  const double expected =
      (y.masked_select(with).mean() - y.masked_select(with.logical_not()).mean()).item<double>();
  CHECK(std::abs(found.raw[0][7].item<double>() - expected) < 1e-5);
}

TEST_CASE("an example that is in every run has weight 0") {
  LinearRuns problem(0.1f);
  problem.masks.select(1, 3).fill_(true);
  for (const char* estimator : {"lasso", "difference_of_means"}) {
    const Attribution found = problem.combined({{"estimator", estimator}});
    CHECK(found.scores.select(1, 3).eq(0).all().item<bool>());
    CHECK(at::isfinite(found.scores).all().item<bool>());
  }
}

TEST_CASE("runs without masks, or of other queries, are refused with both shapes") {
  LinearRuns problem(0.1f);
  problem.runs[7]["measurements"] = at::zeros({3});
  CHECK_THROWS_WITH_AS(problem.combined({}),
                       "run 7 of 400 has measurements [3] float32, expected [5]", ShapeError);
  problem.masks = at::Tensor();
  CHECK_THROWS_WITH_AS(
      problem.combined({}),
      "masks must be [400, 40] runs x training examples, got none: the runs had all examples",
      ShapeError);
  problem.runs.resize(3);
  CHECK_THROWS_WITH_AS(problem.combined({}), "datamodels need at least 4 subset runs, got 3",
                       ShapeError);
}
