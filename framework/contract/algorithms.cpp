// What holds for every learning algorithm. Cases of one that starts from other runs say how many of
// which it is given.
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "contract/fixtures.h"
#include "modeldiff/core/error.h"

namespace modeldiff::contract::algorithms {
namespace {

constexpr std::int64_t kExamples = 40;
constexpr std::uint64_t kSeed = 5;

struct Trial {
  const LearningAlgorithm& algorithm;
  DataFacts facts;
  Examples examples;
  InputRuns inputs;

  std::vector<TrainedRun> train(const std::vector<RunSpec>& runs, CheckpointRequest keep = {},
                                bool stop = false) const {
    std::vector<TrainedRun> out(runs.size());
    std::vector<int> calls(runs.size(), 0);
    const std::vector<InputRuns> all_inputs(runs.size(), inputs);
    CheckedProgress progress(stop);
    const auto done = [&](std::size_t r, TrainedRun run) {
      ++calls.at(r);
      out.at(r) = std::move(run);
    };
    algorithm.train({.facts = facts,
                     .train = examples,
                     .runs = runs,
                     .inputs = all_inputs,
                     .keep = keep,
                     .plugins = subject(),
                     .resources = subject(),
                     .progress = progress,
                     .done = done});
    CHECK(calls == std::vector<int>(runs.size(), 1));
    return out;
  }

  TrainedRun train_one(const RunSpec& run = {kSeed, {}, "run"}, CheckpointRequest keep = {}) const {
    return train({run}, keep).front();
  }

  Predictor predictor() const { return algorithm.predictor(facts, inputs, subject()); }
};

/// Runs of the algorithms that the file of cases names.
InputRuns inputs_of(const Case& some, const DataFacts& facts, const Examples& examples) {
  InputRuns out;
  for (const auto& [name, count] : some.inputs) {
    const auto algorithm =
        subject().create_as<LearningAlgorithm>("algorithms", subject().algorithm(name));
    const Trial trial{*algorithm, facts, examples, {}};
    for (std::int64_t r = 0; r < count; ++r) {
      TrainedRun run = trial.train_one({100 + static_cast<std::uint64_t>(r), {}, name}, {3, true});
      out[name].push_back(
          {trial.predictor(), run.weights, run.checkpoints, run.facts, run.tensors});
    }
  }
  return out;
}

template <typename Law>
void for_each_algorithm(Law law) {
  for_each_case([&](const Case& some) {
    const DataFacts facts = facts_of(some);
    const Examples examples = drawn_examples(some, kExamples, 1);
    const auto algorithm = subject().make<LearningAlgorithm>(some);
    law(Trial{*algorithm, facts, examples, inputs_of(some, facts, examples)});
  });
}

bool same(const Weights& a, const Weights& b) {
  return same_bytes(a.parameters, b.parameters) && same_bytes(a.buffers, b.buffers);
}

bool same(const TrainedRun& a, const TrainedRun& b) {
  return same(a.weights, b.weights) && a.epoch_loss == b.epoch_loss && a.steps == b.steps &&
         a.facts == b.facts;
}

/// Whether the run that it follows decides what an algorithm trains on.
bool follows_a_run() { return subject().manifest().traits.contains("follows"); }

TEST_SUITE("algorithms") {
  TEST_CASE("weights fit the model that the algorithm names, and its outputs are finite") {
    for_each_algorithm([](const Trial& trial) {
      const Predictor predictor = trial.predictor();
      const TrainedRun run = trial.train_one();
      CHECK(run.weights.parameters.sizes() ==
            at::IntArrayRef({predictor.model->parameters().count()}));
      CHECK((run.weights.parameters.scalar_type() == at::kFloat));
      CHECK(run.weights.buffers.defined() == (predictor.model->buffers().count() > 0));
      const at::Tensor outputs = predictor.outputs(run.weights, trial.examples.inputs);
      CHECK(outputs.sizes() == at::IntArrayRef({kExamples, trial.facts.outputs}));
      CHECK(is_finite(outputs));
      for (const double loss : run.epoch_loss) CHECK(std::isfinite(loss));
    });
  }

  TEST_CASE("a run is the same alone and beside others") {
    for_each_algorithm([](const Trial& trial) {
      const auto together = trial.train({{1, {}, "run 0"}, {kSeed, {}, "run 1"}, {2, {}, "run 2"}});
      CHECK(same(trial.train_one({kSeed, {}, "run 1"}), together[1]));
    });
  }

  TEST_CASE("the subset of all rows is the whole training set") {
    if (follows_a_run()) return;
    for_each_algorithm([](const Trial& trial) {
      const auto runs =
          trial.train({{kSeed, {}, "whole"}, {kSeed, at::arange(kExamples), "subset"}});
      CHECK(same(runs[0], runs[1]));
    });
  }

  TEST_CASE("rows outside the subset do not matter") {
    if (follows_a_run()) return;
    for_each_algorithm([](const Trial& trial) {
      const RunSpec half{kSeed, at::arange(0, kExamples, 2), "half"};
      Trial changed = trial;
      changed.examples.inputs = trial.examples.inputs.clone();
      changed.examples.inputs.slice(0, 1, kExamples, 2).fill_(0.9);
      CHECK(same(trial.train_one(half), changed.train_one(half)));
    });
  }

  TEST_CASE("checkpoints ascend, and the last is the end of training") {
    for_each_algorithm([](const Trial& trial) {
      const TrainedRun run = trial.train_one({kSeed, {}, "run"}, {3, true});
      if (run.steps == 0) return;  // made without training
      REQUIRE(run.checkpoints.size() == 3);
      std::int64_t before = 0;
      for (const Checkpoint& checkpoint : run.checkpoints) {
        CHECK(checkpoint.step > before);
        CHECK(checkpoint.learning_rate_sum > 0);
        for (const auto& [name, tensor] : checkpoint.optimizer)
          CHECK(tensor.sizes() == run.weights.parameters.sizes());
        before = checkpoint.step;
      }
      CHECK(before == run.steps);
      CHECK(same(run.checkpoints.back().weights, run.weights));
      // Keeping them changes nothing.
      CHECK(same(trial.train_one(), run));
    });
  }

  TEST_CASE("given runs and data are left as they are") {
    for_each_algorithm([](const Trial& trial) {
      Kept kept;
      kept.add(trial.examples);
      for (const auto& [name, runs] : trial.inputs) {
        for (const InputRun& run : runs) {
          kept.add(run.weights.parameters);
          kept.add(run.weights.buffers);
        }
      }
      trial.train_one();
      CHECK(kept.unchanged());
    });
  }

  TEST_CASE("a wish to stop ends the training") {
    for_each_algorithm([](const Trial& trial) {
      CHECK_THROWS_AS(trial.train({{kSeed, {}, "run"}}, {}, /*stop=*/true), Interrupted);
    });
  }

  TEST_CASE("the estimate of memory is a number of bytes") {
    for_each_algorithm([](const Trial& trial) {
      const double bytes =
          trial.algorithm.memory_bytes(trial.facts, trial.inputs, kExamples, subject());
      CHECK(std::isfinite(bytes));
      CHECK(bytes >= 4.0 * static_cast<double>(trial.predictor().model->parameters().count()));
    });
  }

}  // TEST_SUITE

}  // namespace
}  // namespace modeldiff::contract::algorithms
