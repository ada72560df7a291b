#include "contract/evaluation_fixture.h"

#include <fmt/format.h>

#include <algorithm>

#include "modeldiff/core/random.h"
#include "modeldiff/proposer.h"

namespace modeldiff::contract {
namespace {

constexpr std::int64_t kTrain = 60, kTest = 40, kQueries = 12;
constexpr std::uint64_t kRuns = 3;
constexpr std::int64_t kDirections = 2;

Json interval(double estimate) {
  return {{"estimate", estimate}, {"lower", estimate - 0.02}, {"upper", estimate + 0.02}};
}

Json of_both(const Json& a, const Json& b) { return {{"A", a}, {"B", b}}; }

}  // namespace

EvaluationFixture::EvaluationFixture(const Case& some)
    : facts_(facts_of(some)),
      train_(drawn_examples(some, kTrain, 1)),
      test_(drawn_examples(some, kTest, 2)),
      queries_(test_.select(at::arange(kQueries))) {
  add_algorithm(some, "A", 10);
  add_algorithm(some, "B", 20);
  if (needs("compare")) add_comparison();
  if (needs("verify")) add_verification();
}

bool EvaluationFixture::needs(const std::string& what) const {
  const auto wanted = subject().manifest().traits.value("needs", std::vector<std::string>{});
  return std::find(wanted.begin(), wanted.end(), what) != wanted.end();
}

void EvaluationFixture::add_algorithm(const Case& some, const std::string& name,
                                      std::uint64_t seed) {
  if (needs("runs")) {
    const Predictor predictor = small_predictor(some);
    std::vector<Weights>& weights = weights_[name];
    RunSet set{predictor,
               {},
               [&weights](std::size_t run) { return weights.at(run); },
               [](std::size_t) { return Json::object(); },
               [](std::size_t run) {
                 // As if each run had been made without a row of its own.
                 return TensorMap{
                     {"change.removed", at::full({1}, static_cast<std::int64_t>(run), at::kInt)}};
               }};
    for (std::uint64_t run = 0; run < kRuns; ++run) {
      weights.push_back(drawn_weights(*predictor.model, seed + run));
      set.keys.push_back(fmt::format("run/{}/{}", name, run));
    }
    runs_.emplace(name, std::move(set));
  }
  if (needs("scores")) scores_.emplace(name, normal({kQueries, kTrain}, seed));
  if (needs("subset_runs")) {
    const auto subsets = some.params.at("subsets").get<std::int64_t>();
    at::Tensor masks = at::zeros({subsets, kTrain}, at::kBool);
    const auto kept = static_cast<std::int64_t>(some.params.at("keep").get<double>() * kTrain);
    for (std::int64_t i = 0; i < subsets; ++i) {
      RandomStream random(seed, "subset", static_cast<std::uint64_t>(i));
      masks[i].index_fill_(0, at::tensor(random.choose(kTrain, kept), at::kLong), true);
    }
    const auto replicates = some.params.at("replicates").get<std::int64_t>();
    subset_runs_.emplace(name,
                         SubsetRuns{masks, normal({subsets, replicates, kQueries}, seed + 1)});
  }
}

void EvaluationFixture::add_comparison() {
  Json sides = Json::array();
  for (const auto& [of, against] : {std::pair{"A", "B"}, std::pair{"B", "A"}}) {
    Json directions = Json::array();
    for (std::int64_t rank = 0; rank < kDirections; ++rank) {
      directions.push_back(
          {{"rank", rank}, {"p_value", 0.01}, {"explained", {{of, 0.1}, {against, 0.01}}}});
    }
    sides.push_back(
        {{"of", of}, {"against", against}, {"p_value", 0.01}, {"directions", directions}});
    const at::Tensor examples = normal({kDirections, kTrain}, 31);
    compare_tensors_.emplace(std::string(of) + ".examples",
                             examples / examples.norm(2, {1}, /*keepdim=*/true));
    compare_tensors_.emplace(std::string(of) + ".queries", normal({kDirections, kQueries}, 32));
  }
  compare_ = {
      {"of", "A"},           {"against", "B"}, {"p_value", 0.01},    {"p_value_reverse", 0.4},
      {"queries", kQueries}, {"sides", sides}, {"permutations", 19}, {"paired", false}};
}

void EvaluationFixture::add_verification() {
  Transformation change{"patches", "solid_patch", "a white square", {{"row", 0}, {"column", 0}}, {},
                        -1};
  if (facts_.images()) verify_tensors_.emplace("0.values", at::ones({facts_.input_shape[0], 2, 2}));
  const Json claim{{"transformation", to_json(change)},
                   {"label", change.label},
                   {"family", change.family},
                   {"proposer", change.proposer},
                   {"target_class", 0},
                   {"claim", "A relies, B does not"},
                   {"discovery", true},
                   {"effect", of_both(interval(0.1), interval(0))},
                   {"largest_single_effect", of_both(0.3, 0.01)},
                   {"difference", interval(0.1)},
                   {"p_value", 0.001},
                   {"adjusted_p_value", 0.002},
                   {"bound", 0.08},
                   {"selected", 0}};
  verify_ = {{"between", {"A", "B"}},
             {"images", kTest},
             {"proposed", 1},
             {"tested", 1},
             {"discoveries", 1},
             {"best", claim},
             {"claims", Json::array({claim})}};
}

EvaluationResult EvaluationFixture::evaluate(const Evaluation& evaluation) const {
  CheckedProgress progress;
  return evaluation.evaluate({.facts = facts_,
                              .train = train_,
                              .test = test_,
                              .queries = queries_,
                              .runs = runs_,
                              .scores = scores_,
                              .subset_runs = subset_runs_,
                              .compare = compare_,
                              .compare_tensors = compare_tensors_,
                              .verify = verify_,
                              .verify_tensors = verify_tensors_,
                              .seed = 4,
                              .progress = progress});
}

void EvaluationFixture::keep(Kept& kept) const {
  for (const Examples* part : {&train_, &test_, &queries_}) kept.add(*part);
  for (const auto& [name, weights] : weights_) {
    for (const Weights& run : weights) kept.add(run.parameters);
  }
  for (const auto& [name, scores] : scores_) kept.add(scores);
  for (const auto& [name, runs] : subset_runs_) kept.add(runs.measurements);
}

}  // namespace modeldiff::contract
