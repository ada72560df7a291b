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
  std::vector<double> keep = std::vector<double>(kRuns, 0.5);
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
    const RunsInMemory all = masks.defined() ? RunsInMemory(runs, masks, keep) : RunsInMemory(runs);
    return make_attributor(params)->combine({.runs = all,
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

TEST_CASE("after one gradient step from 0 the datamodel is eta y_i x_i'x of the example") {
  // Squared error of w.x against y = +-1, summed over the run's examples: its gradient at 0 is that
  // of the hinge's linear part. Exact in the masks, so that only the smallest penalty is between
  // the fit and the truth.
  constexpr double kRate = 0.1;
  LinearRuns problem(0);
  const at::Tensor x = normal(3, {kExamples, 8}), x_query = normal(4, {kQueries, 8});
  const at::Tensor y = normal(5, {kExamples}).sign();
  for (std::int64_t run = 0; run < kRuns; ++run) {
    const at::Tensor w = at::zeros({8}).requires_grad_();
    const at::Tensor kept = problem.masks[run].nonzero().squeeze(1);
    (0.5 * (at::matmul(x.index_select(0, kept), w) - y.index_select(0, kept)).square().sum())
        .backward();
    problem.runs[run]["measurements"] = at::matmul(x_query, -kRate * w.grad());
  }
  const at::Tensor truth = kRate * at::matmul(x_query, x.t()) * y;
  const Attribution found = problem.combined({{"ratio", 1e-6}, {"heldout", 0.05}});
  CHECK(largest_difference(found.scores, truth) < 1e-4 * truth.abs().max().item<double>());
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
      "masks must be [256, 40] runs x training examples, got none: the runs had all examples",
      ShapeError);
  problem.runs.resize(3);
  CHECK_THROWS_WITH_AS(problem.combined({}),
                       "datamodels need at least 4 subset runs of each share, got 3", ShapeError);
}

TEST_CASE("runs of several shares are told apart: what their size changes is not in the scores") {
  LinearRuns problem(0.1f);
  RandomStream random(3, "masks of another share");
  for (std::int64_t run = 1; run < kRuns; run += 2) {
    problem.keep[run] = 0.2;
    at::Tensor& y = problem.runs[run].at("measurements");
    y -= at::matmul(problem.theta, problem.masks[run].to(at::kFloat)) + 50;
    for (std::int64_t i = 0; i < kExamples; ++i)
      problem.masks[run][i] = random.uniform_double() < 0.2;
    y += at::matmul(problem.theta, problem.masks[run].to(at::kFloat));
  }
  const Attribution found = problem.combined({});
  CHECK(largest_difference(found.scores, problem.theta) < 0.06);
  CHECK(largest_difference(found.raw, problem.theta) < 0.5);
  CHECK((found.facts.at("keep") == Json{0.5, 0.2}));
  CHECK(found.facts.at("heldout_runs") == 40);
  const double variance = 200 * 0.25 + 200 * 0.16;
  CHECK(std::abs(found.noise_scale * variance - 1) < 0.02);

  problem.keep.assign(kRuns, 0.5);  // taken for one share, the size of a run tells the offset
  CHECK(largest_difference(problem.combined({}).raw, problem.theta) > 5);
}

TEST_CASE("the quality of each query's fit is told") {
  LinearRuns problem(0.1f);
  for (TensorMap& run : problem.runs) run["measurements"][0] = 7;  // nothing to learn of query 0
  const Attribution found = problem.combined({});
  for (const char* name : {"lambda", "gap", "nonzeros", "heldout_error", "heldout_error_of_mean"}) {
    CAPTURE(name);
    CHECK(found.per_query.at(name).sizes() == at::IntArrayRef({kQueries}));
  }
  CHECK(found.per_query.at("nonzeros")[0].item<std::int64_t>() == 0);
  CHECK(found.per_query.at("gap").max().item<double>() ==
        found.facts.at("worst_gap").get<double>());
  const at::Tensor error = found.per_query.at("heldout_error"),
                   of_mean = found.per_query.at("heldout_error_of_mean");
  CHECK(error[0].item<double>() == 0);
  for (std::int64_t q = 1; q < kQueries; ++q) {
    CAPTURE(q);
    CHECK(error[q].item<double>() > 0.5 * 0.01);  // the noise has variance .01, of 40 held-out runs
    CHECK(error[q].item<double>() < 3 * 0.01);
    CHECK(of_mean[q].item<double>() > 0.5);  // the mask explains (4 + 1 + .25)/4
  }
}

TEST_CASE("the memory that is asked for is that of the Gram matrix, and little for each run") {
  const auto bytes = [](std::int64_t examples, std::int64_t runs) {
    return make_attributor()->memory_bytes(1, examples, 300, runs);
  };
  CHECK(bytes(50000, 1000) > 4.0 * 50000 * 50000);
  CHECK(bytes(50000, 1000) < 5.0 * 50000 * 50000);
  // 50,000 more runs have masks of 2.5e9 bytes.
  CHECK(bytes(50000, 100000) - bytes(50000, 50000) < 0.1 * 50000 * 50000);
}
