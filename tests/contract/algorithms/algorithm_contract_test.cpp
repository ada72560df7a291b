// What holds for every learning algorithm, checked on each plugin that was built. A new algorithm adds its entry to
// cases.json: `params`, and for the names that its references use `inputs`, each the number of runs that it is given.
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/check.h"
#include "modeldiff/algorithm.h"
#include "modeldiff/core/random.h"
#include "modeldiff/plugin.h"
#include "modeldiff/plugin_factory.h"
#include "plugin_host/plugin_registry.h"

namespace modeldiff {
namespace {

constexpr std::int64_t kExamples = 40, kClasses = 3;
constexpr std::uint64_t kSeed = 5;

PluginRegistry& registry() {
  static PluginRegistry plugins({std::filesystem::path(MODELDIFF_BUILD_DIR) / "plugins"}, MODELDIFF_ABI_TAG);
  return plugins;
}

class HostFactory final : public PluginFactory {
 public:
  std::unique_ptr<Plugin> create(const std::string& kind, const PluginChoice& choice) const override {
    return registry().create(kind, choice.plugin, choice.params);
  }
};

/// Stops at once when told so.
class TestProgress final : public Progress {
 public:
  explicit TestProgress(bool stop = false) : stop_(stop) {}
  void update(double share, const std::string&) override {
    CHECK(share >= 0);
    CHECK(share <= 1);
  }
  void check_stop() const override {
    if (stop_) throw Interrupted("stopped");
  }

 private:
  bool stop_;
};

const Json& cases() {
  static const Json all = [] {
    std::ifstream file(MODELDIFF_SOURCE_DIR "/tests/contract/algorithms/cases.json");
    return Json::parse(file);
  }();
  return all;
}

std::unique_ptr<LearningAlgorithm> make(const std::string& name, const Json& params) {
  const Json complete = complete_parameters("algorithms", name, params, registry());
  return HostFactory().create_as<LearningAlgorithm>("algorithms", {name, complete});
}

struct Data {
  DataFacts facts;
  Examples train;
};

/// Images of one channel, 8x8, brighter from class to class.
Data data() {
  Data out;
  out.facts.name = "contract";
  out.facts.input_shape = {1, 8, 8};
  out.facts.outputs = kClasses;
  out.facts.fill = {0};
  out.facts.mean = {0.4f};
  out.facts.deviation = {0.3f};
  RandomStream random(1);
  out.train.targets = at::arange(kExamples) % kClasses;
  at::Tensor noise = at::empty({kExamples, 1, 8, 8}, at::kFloat);
  random.fill_uniform(noise.mutable_data_ptr<float>(), noise.numel(), 0, 0.5f);
  out.train.inputs = noise + out.train.targets.view({kExamples, 1, 1, 1}).to(at::kFloat) / 5;
  return out;
}

class NoFiles final : public Resources {
 public:
  std::filesystem::path resolve(const DataPath& path) const override { throw DataError("no file '" + path.text + "'"); }
};

std::vector<TrainedRun> train(const LearningAlgorithm& algorithm, const Data& data, const std::vector<RunSpec>& runs,
                              const std::vector<InputRuns>& inputs, CheckpointRequest keep = {}, bool stop = false) {
  std::vector<TrainedRun> out(runs.size());
  std::vector<int> calls(runs.size(), 0);
  const HostFactory factory;
  TestProgress progress(stop);
  algorithm.train({data.facts, data.train, runs, inputs, keep, factory, NoFiles(), progress, [&](std::size_t r, TrainedRun run) {
                     ++calls.at(r);
                     out.at(r) = std::move(run);
                   }});
  CHECK(calls == std::vector<int>(runs.size(), 1));
  return out;
}

/// Runs of `sgd` under every name that the case's references use.
InputRuns inputs_of(const Json& entry, const Data& data) {
  InputRuns out;
  const Json counts = entry.value("inputs", Json::object());
  for (const auto& [name, count] : counts.items()) {
    const auto algorithm = make("sgd", cases().at("sgd").at("params"));
    for (std::uint64_t r = 0; r < count.get<std::uint64_t>(); ++r) {
      TrainedRun run = train(*algorithm, data, {{100 + r, {}, name}}, {{}}, {3, true}).front();
      out[name].push_back({algorithm->predictor(data.facts, {}, HostFactory()), run.weights, run.checkpoints});
    }
  }
  return out;
}

bool same_bytes(const at::Tensor& a, const at::Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  const at::Tensor x = a.contiguous(), y = b.contiguous();
  return x.sizes() == y.sizes() && std::memcmp(x.const_data_ptr(), y.const_data_ptr(), x.nbytes()) == 0;
}

bool same(const TrainedRun& a, const TrainedRun& b) {
  return same_bytes(a.weights.parameters, b.weights.parameters) && same_bytes(a.weights.buffers, b.weights.buffers) &&
         a.epoch_loss == b.epoch_loss && a.steps == b.steps && a.facts == b.facts;
}

/// Calls `law(algorithm, data, inputs)` for every learning algorithm that was built.
template <typename Law>
void for_every_algorithm(Law law) {
  const std::vector<std::string> names = registry().names("algorithms");
  REQUIRE_FALSE(names.empty());
  for (const std::string& name : names) {
    CAPTURE(name);
    const std::string missing = "no case in tests/contract/algorithms/cases.json for " + name;
    REQUIRE_MESSAGE(cases().contains(name), missing);
    const Json& entry = cases().at(name);
    const Data some = data();
    law(*make(name, entry.at("params")), some, inputs_of(entry, some));
  }
}

TEST_CASE("weights fit the model that the algorithm names, and its outputs are finite") {
  for_every_algorithm([](const LearningAlgorithm& algorithm, const Data& some, const InputRuns& inputs) {
    const Predictor predictor = algorithm.predictor(some.facts, inputs, HostFactory());
    const TrainedRun run = train(algorithm, some, {{kSeed, {}, "run"}}, {inputs}).front();
    CHECK(run.weights.parameters.sizes() == at::IntArrayRef({predictor.model->parameters().count()}));
    CHECK((run.weights.parameters.scalar_type() == at::kFloat));
    CHECK(run.weights.buffers.defined() == (predictor.model->buffers().count() > 0));
    const at::Tensor outputs = predictor.outputs(run.weights, some.train.inputs);
    CHECK(outputs.sizes() == at::IntArrayRef({kExamples, kClasses}));
    CHECK(outputs.isfinite().all().item<bool>());
    for (const double loss : run.epoch_loss) CHECK(std::isfinite(loss));
  });
}

TEST_CASE("a run is the same alone and beside others") {
  for_every_algorithm([](const LearningAlgorithm& algorithm, const Data& some, const InputRuns& inputs) {
    const auto together = train(algorithm, some, {{1, {}, "run 0"}, {kSeed, {}, "run 1"}, {2, {}, "run 2"}},
                                {inputs, inputs, inputs});
    CHECK(same(train(algorithm, some, {{kSeed, {}, "run 1"}}, {inputs}).front(), together[1]));
  });
}

TEST_CASE("the subset of all rows is the whole training set") {
  for_every_algorithm([](const LearningAlgorithm& algorithm, const Data& some, const InputRuns& inputs) {
    const auto runs = train(algorithm, some, {{kSeed, {}, "whole"}, {kSeed, at::arange(kExamples), "subset"}}, {inputs, inputs});
    CHECK(same(runs[0], runs[1]));
  });
}

TEST_CASE("rows outside the subset do not matter") {
  for_every_algorithm([](const LearningAlgorithm& algorithm, const Data& some, const InputRuns& inputs) {
    const at::Tensor subset = at::arange(0, kExamples, 2);
    Data changed = some;
    changed.train.inputs = some.train.inputs.clone();
    changed.train.inputs.slice(0, 1, kExamples, 2).fill_(0.9);
    CHECK(same(train(algorithm, some, {{kSeed, subset, "half"}}, {inputs}).front(),
               train(algorithm, changed, {{kSeed, subset, "half"}}, {inputs}).front()));
  });
}

TEST_CASE("checkpoints ascend, and the last is the end of training") {
  for_every_algorithm([](const LearningAlgorithm& algorithm, const Data& some, const InputRuns& inputs) {
    const TrainedRun run = train(algorithm, some, {{kSeed, {}, "run"}}, {inputs}, {3, true}).front();
    if (run.steps == 0) return;  // made without training
    REQUIRE(run.checkpoints.size() == 3);
    std::int64_t before = 0;
    for (const Checkpoint& checkpoint : run.checkpoints) {
      CHECK(checkpoint.step > before);
      CHECK(checkpoint.learning_rate_sum > 0);
      for (const auto& [name, tensor] : checkpoint.optimizer) CHECK(tensor.sizes() == run.weights.parameters.sizes());
      before = checkpoint.step;
    }
    CHECK(before == run.steps);
    CHECK(same_bytes(run.checkpoints.back().weights.parameters, run.weights.parameters));
    CHECK(same_bytes(run.checkpoints.back().weights.buffers, run.weights.buffers));
    // Keeping them changes nothing.
    CHECK(same(train(algorithm, some, {{kSeed, {}, "run"}}, {inputs}).front(), run));
  });
}

TEST_CASE("given runs and data are left as they are") {
  for_every_algorithm([](const LearningAlgorithm& algorithm, const Data& some, const InputRuns& inputs) {
    std::vector<std::pair<at::Tensor, at::Tensor>> kept{{some.train.inputs, some.train.inputs.clone()},
                                                        {some.train.targets, some.train.targets.clone()}};
    for (const auto& [name, runs] : inputs) {
      for (const InputRun& run : runs) kept.emplace_back(run.weights.parameters, run.weights.parameters.clone());
    }
    train(algorithm, some, {{kSeed, {}, "run"}}, {inputs});
    for (const auto& [now, before] : kept) CHECK(same_bytes(now, before));
  });
}

TEST_CASE("a wish to stop ends the training") {
  for_every_algorithm([](const LearningAlgorithm& algorithm, const Data& some, const InputRuns& inputs) {
    CHECK_THROWS_AS(train(algorithm, some, {{kSeed, {}, "run"}}, {inputs}, {}, true), Interrupted);
  });
}

TEST_CASE("the estimate of memory is a number of bytes") {
  for_every_algorithm([](const LearningAlgorithm& algorithm, const Data& some, const InputRuns& inputs) {
    const Predictor predictor = algorithm.predictor(some.facts, inputs, HostFactory());
    const double bytes = algorithm.memory_bytes(some.facts, kExamples, HostFactory());
    CHECK(std::isfinite(bytes));
    CHECK(bytes >= 4.0 * static_cast<double>(predictor.model->parameters().count()));
  });
}

}  // namespace
}  // namespace modeldiff
