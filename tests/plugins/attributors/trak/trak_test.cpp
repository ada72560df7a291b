#include <doctest/doctest.h>

#include <cmath>

#include "modeldiff/core/error.h"
#include "tests/plugins/attributors/attributor_plugin.h"
#include "tests/plugins/attributors/small_models.h"

using namespace modeldiff;
using namespace modeldiff::testing;

namespace {

TensorMap score(const Attributor& attributor, Fixture& fixture, std::uint64_t seed = 5) {
  return attributor.score_run({.facts = fixture.facts,
                               .train = fixture.train,
                               .queries = fixture.queries,
                               .predictor = fixture.predictor,
                               .weights = fixture.weights,
                               .checkpoints = fixture.checkpoints,
                               .subset = {},
                               .seed = seed,
                               .progress = fixture.progress});
}

TensorMap run_of(std::initializer_list<float> scores, std::initializer_list<float> miss,
                 std::int64_t queries) {
  return {{"scores", at::tensor(std::vector<float>(scores)).reshape({queries, -1})},
          {"one_minus_p", at::tensor(std::vector<float>(miss))},
          {"lambda", at::ones({1}, at::kDouble)}};
}

}  // namespace

TEST_CASE("a run gives scores [queries, training examples] that come back with the seed") {
  auto fixture = make_fixture(std::make_shared<MlpModel>(std::vector<std::int64_t>{20, 12, 4}),
                              {60, 20}, 7, 4);
  const auto attributor = make_attributor({{"projection", 40}});
  const TensorMap first = score(*attributor, *fixture);
  CHECK(first.at("scores").sizes() == at::IntArrayRef({7, 60}));
  CHECK((first.at("scores").scalar_type() == at::kFloat));
  CHECK(first.at("one_minus_p").sizes() == at::IntArrayRef({60}));
  CHECK(score(*attributor, *fixture).at("scores").equal(first.at("scores")));
  CHECK_FALSE(score(*attributor, *fixture, 6).at("scores").equal(first.at("scores")));
}

TEST_CASE("many projected numbers give the scores of raw gradients") {
  auto fixture =
      make_fixture(std::make_shared<MlpModel>(std::vector<std::int64_t>{6, 5, 3}), {200, 6}, 9, 3);
  // Damping on the scale of the gradients: the projection then disturbs little.
  const at::Tensor exact =
      score(*make_attributor({{"projection_kind", "identity"}, {"damping", 10.0}}), *fixture)
          .at("scores");
  const auto correlation = [&](const at::Tensor& found) {
    return (found.flatten().dot(exact.flatten()) / (found.norm() * exact.norm())).item<double>();
  };
  // lambda is a share of the mean eigenvalue, of which there are k instead of p = 53.
  const double damping = 10.0 * 8000 / 53;
  CHECK(correlation(score(*make_attributor({{"projection", 8000}, {"damping", damping}}), *fixture)
                        .at("scores")) > 0.98);
}

TEST_CASE("several checkpoints of a run give the mean of their scores") {
  auto fixture =
      make_fixture(std::make_shared<MlpModel>(std::vector<std::int64_t>{6, 5, 3}), {50, 6}, 4, 3);
  const Weights last = fixture->weights;
  Weights early = last;
  early.parameters = 0.5 * last.parameters;
  const auto of_end = [&](const Weights& weights) {
    fixture->weights = weights;
    return score(*make_attributor({{"projection_kind", "identity"}}), *fixture);
  };
  const TensorMap first = of_end(early), second = of_end(last);
  for (const Weights& weights : {early, last}) {
    fixture->checkpoints.emplace_back();
    fixture->checkpoints.back().weights = weights;
  }
  const TensorMap both =
      score(*make_attributor({{"projection_kind", "identity"}, {"checkpoints", 2}}), *fixture);
  for (const char* name : {"scores", "one_minus_p"}) {
    CAPTURE(name);
    CHECK(largest_difference(both.at(name), (first.at(name) + second.at(name)) / 2) <
          1e-5 * second.at(name).abs().max().item<double>());
    CHECK(largest_difference(both.at(name), second.at(name)) > 1e-3);
  }
  CHECK(both.at("lambda").numel() == 2);
  // A checkpoint counts only where the parameter asks for it.
  CHECK(of_end(last).at("scores").equal(second.at("scores")));
}

TEST_CASE("runs are combined as the product of two means, not as the mean of products") {
  // Scores 1, 2 and 3, 4 of one query; 1 - p .5, .1 and .1, .3.
  const RunsInMemory runs({run_of({1, 2}, {0.5f, 0.1f}, 1), run_of({3, 4}, {0.1f, 0.3f}, 1)});
  Examples train, queries;
  train.inputs = at::zeros({2, 1});
  queries.inputs = at::zeros({1, 1});
  QuietProgress progress;
  const auto combined = [&](double q_power) {
    return make_attributor({{"q_power", q_power}})
        ->combine({.runs = runs, .train = train, .queries = queries, .progress = progress})
        .scores;
  };
  CHECK(combined(0).equal(at::tensor({2.0f, 3.0f}).unsqueeze(0)));
  // (1+3)/2 * (.5+.1)/2 = .6 where the mean of products is .4; (2+4)/2 * (.1+.3)/2 = .6 where it is
  // .7.
  CHECK(largest_difference(combined(1), at::tensor({0.6f, 0.6f}).unsqueeze(0)) < 1e-6);
  CHECK(largest_difference(combined(0.5),
                           at::tensor({2 * std::sqrt(0.3f), 3 * std::sqrt(0.2f)}).unsqueeze(0)) <
        1e-6);
  CHECK(make_attributor({{"q_power", 0}})->combines_by_mean());
  CHECK_FALSE(make_attributor({{"q_power", 1}})->combines_by_mean());

  train.inputs = at::zeros({3, 1});
  CHECK_THROWS_WITH_AS(combined(0), "scores of a run are [1, 2] float32, expected [1, 3]",
                       ShapeError);
}

TEST_CASE("with the published factor a run's scores are multiplied by 1 - p of the example") {
  auto fixture = make_fixture(std::make_shared<LogisticModel>(6), {40, 6}, 5, 2);
  const at::Tensor w = fixture->weights.parameters.to(at::kDouble);
  const auto rows = [](const Examples& examples) {
    return examples.inputs.to(at::kDouble) * (2 * examples.targets - 1).unsqueeze(1);  // y x
  };
  const Json params{{"projection_kind", "identity"}, {"damping", 0.0}, {"q_power", 1.0}};
  const RunsInMemory runs({score(*make_attributor(params), *fixture)});
  const at::Tensor found = make_attributor(params)
                               ->combine({.runs = runs,
                                          .train = fixture->train,
                                          .queries = fixture->queries,
                                          .progress = fixture->progress})
                               .scores;
  const at::Tensor phi = rows(fixture->train);
  const at::Tensor expected =
      at::matmul(rows(fixture->queries), at::linalg_solve(at::matmul(phi.t(), phi), phi.t())) *
      at::sigmoid(-at::matmul(phi, w));
  CHECK(largest_difference(found, expected) < 1e-5 * expected.abs().max().item<double>());
}
