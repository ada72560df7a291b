// What holds for every attributor, on runs of a small model with random weights.
#include <cmath>
#include <string>
#include <vector>

#include "contract/fixtures.h"
#include "modeldiff/attributor.h"

namespace modeldiff::contract::attributors {
namespace {

constexpr std::int64_t kExamples = 30, kQueries = 6;
constexpr double kKeep = 0.5;

/// An experiment in small: runs with checkpoints, a subset for each run where the attributor asks
/// for subsets.
class Trial {
 public:
  explicit Trial(const Case& some)
      : case_(some),
        predictor_(small_predictor(some)),
        facts_(facts_of(some)),
        train_(drawn_examples(some, kExamples, 1)),
        queries_(drawn_examples(some, kQueries, 2)) {
    const Json& traits = subject().manifest().traits;
    subsets_ = traits.value("runs", "all") == "subsets";
    columns_ = traits.value("columns", "examples") == "examples" ? kExamples : -1;
    for (std::uint64_t run = 0; run < (subsets_ ? 40 : 3); ++run) {
      weights_.push_back(drawn_weights(*predictor_.model, run));
      checkpoints_.push_back(checkpoints_of(weights_.back(), traits));
      rows_.push_back(at::tensor(
          RandomStream(run, "rows").choose(kExamples, static_cast<std::int64_t>(kKeep * kExamples)),
          at::kLong));
    }
  }

  std::int64_t columns() const { return columns_; }
  const Examples& train() const { return train_; }
  const Examples& queries() const { return queries_; }
  std::unique_ptr<Attributor> make(const Json& changes = Json::object()) const {
    return subject().make<Attributor>(case_, changes);
  }

  std::vector<TensorMap> score_runs(const Attributor& attributor, const Examples& queries) const {
    CheckedProgress progress;
    std::vector<TensorMap> out;
    for (std::size_t run = 0; run < weights_.size(); ++run) {
      out.push_back(attributor.score_run({.facts = facts_,
                                          .train = train_,
                                          .queries = queries,
                                          .predictor = predictor_,
                                          .weights = weights_[run],
                                          .checkpoints = checkpoints_[run],
                                          .subset = subsets_ ? rows_[run] : at::Tensor(),
                                          .seed = 100 + run,
                                          .progress = progress}));
    }
    return out;
  }

  Attribution combine(const Attributor& attributor, const std::vector<TensorMap>& runs,
                      const Examples& queries, int threads) const {
    CheckedProgress progress;
    const RunsInMemory all =
        subsets_ ? RunsInMemory(runs, masks(), std::vector<double>(runs.size(), kKeep))
                 : RunsInMemory(runs);
    return attributor.combine({.runs = all,
                               .train = train_,
                               .queries = queries,
                               .threads = threads,
                               .progress = progress});
  }

  /// @param order of the queries, [N] int64
  Attribution attribute(const Attributor& attributor,
                        const at::Tensor& order = at::arange(kQueries), int threads = 1) const {
    const Examples queries = queries_.select(order);
    return combine(attributor, score_runs(attributor, queries), queries, threads);
  }

  void keep(Kept& kept) const {
    kept.add(train_);
    kept.add(queries_);
    for (const Weights& weights : weights_) {
      kept.add(weights.parameters);
      kept.add(weights.buffers);
    }
  }

 private:
  /// As many as the parameter says that the traits name.
  std::vector<Checkpoint> checkpoints_of(const Weights& last, const Json& traits) const {
    const std::string key = traits.value("checkpoints", "");
    const std::int64_t count = key.empty() ? 0 : case_.params.at(key).get<std::int64_t>();
    std::vector<Checkpoint> out;
    for (std::int64_t step = 1; step <= count; ++step) {
      Weights weights = last;
      weights.parameters =
          weights.parameters * (0.7 + 0.3 * static_cast<double>(step) / static_cast<double>(count));
      TensorMap optimizer;
      if (traits.value("optimizer_state", false))
        optimizer.emplace("momentum", 0.01 * weights.parameters);
      out.push_back({step, weights, optimizer, 0.1});
    }
    return out;
  }

  at::Tensor masks() const {
    at::Tensor out = at::zeros({static_cast<std::int64_t>(rows_.size()), kExamples}, at::kBool);
    for (std::size_t run = 0; run < rows_.size(); ++run) {
      out[static_cast<std::int64_t>(run)].index_fill_(0, rows_[run], true);
    }
    return out;
  }

  const Case& case_;
  bool subsets_ = false;
  std::int64_t columns_ = -1;
  Predictor predictor_;
  DataFacts facts_;
  Examples train_, queries_;
  std::vector<Weights> weights_;
  std::vector<std::vector<Checkpoint>> checkpoints_;
  std::vector<at::Tensor> rows_;
};

template <typename Law>
void for_each_trial(Law law) {
  for_each_case([&](const Case& some) { law(Trial(some)); });
}

TEST_SUITE("attributors") {
  TEST_CASE("scores are [queries, columns] float32, finite and not all alike") {
    for_each_trial([](const Trial& trial) {
      const Attribution found = trial.attribute(*trial.make());
      REQUIRE(found.scores.dim() == 2);
      CHECK(found.scores.size(0) == kQueries);
      if (trial.columns() > 0) CHECK(found.scores.size(1) == trial.columns());
      CHECK((found.scores.scalar_type() == at::kFloat));
      CHECK(is_finite(found.scores));
      CHECK(found.scores.std().item<double>() > 0);
      if (found.raw.defined()) {
        CHECK(found.raw.sizes() == found.scores.sizes());
        CHECK(found.output_covariance.sizes() == at::IntArrayRef({kQueries, kQueries}));
        CHECK(found.noise_scale > 0);
      }
      for (const auto& [name, values] : found.per_query) {
        CAPTURE(name);
        CHECK(values.sizes() == at::IntArrayRef({kQueries}));
      }
    });
  }

  TEST_CASE("the same seeds give the same bytes, on any number of threads") {
    for_each_trial([](const Trial& trial) {
      const at::Tensor scores = trial.attribute(*trial.make()).scores;
      CHECK(same_bytes(trial.attribute(*trial.make()).scores, scores));
      CHECK(same_bytes(trial.attribute(*trial.make(), at::arange(kQueries), 2).scores, scores));
    });
  }

  TEST_CASE("a permutation of the queries permutes the rows") {
    for_each_trial([](const Trial& trial) {
      const at::Tensor order = at::tensor({3, 0, 5, 1, 4, 2}, at::kLong);
      const at::Tensor scores = trial.attribute(*trial.make()).scores;
      const at::Tensor permuted = trial.attribute(*trial.make(), order).scores;
      CHECK(relative_distance(permuted, scores.index_select(0, order)) < kRounding);
    });
  }

  TEST_CASE("the size of batches changes nothing beyond rounding") {
    for_each_trial([](const Trial& trial) {
      if (!subject().manifest().schema.find("batch")) return;
      const at::Tensor scores = trial.attribute(*trial.make()).scores;
      for (const int batch : {1, 7}) {
        CAPTURE(batch);
        CHECK(relative_distance(trial.attribute(*trial.make({{"batch", batch}})).scores, scores) <
              kRounding);
      }
    });
  }

  TEST_CASE("an attributor that says it combines by the mean does") {
    for_each_trial([](const Trial& trial) {
      const auto attributor = trial.make();
      if (!attributor->combines_by_mean()) return;
      const std::vector<TensorMap> runs = trial.score_runs(*attributor, trial.queries());
      at::Tensor sum = at::zeros({kQueries, kExamples}, at::kDouble);
      for (const TensorMap& run : runs) sum += run.at("scores");
      const at::Tensor scores = trial.combine(*attributor, runs, trial.queries(), 1).scores;
      CHECK(relative_distance(scores, sum / static_cast<double>(runs.size())) < 1e-6);
    });
  }

  TEST_CASE("given runs and data are left as they are") {
    for_each_trial([](const Trial& trial) {
      Kept kept;
      trial.keep(kept);
      trial.attribute(*trial.make());
      CHECK(kept.unchanged());
    });
  }

  TEST_CASE("the estimate of memory is a number of bytes") {
    for_each_trial([](const Trial& trial) {
      const double bytes = trial.make()->memory_bytes(1000, kExamples, kQueries, 40);
      CHECK(std::isfinite(bytes));
      CHECK(bytes >= 4.0 * kExamples * kQueries);
    });
  }

}  // TEST_SUITE

}  // namespace
}  // namespace modeldiff::contract::attributors
