// The plugin as the host makes it: what it leaves behind, what it starts from, what it refuses.
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "linear_model.h"
#include "modeldiff/algorithm.h"
#include "modeldiff/core/error.h"
#include "modeldiff/plugin_factory.h"
#include "plugins/algorithms/sisa/sisa_params.h"

extern "C" const modeldiff::PluginInfo* modeldiff_plugin_v1();

namespace modeldiff::sisa {
namespace {

class LinearArchitecture final : public Architecture {
 public:
  std::unique_ptr<Model> build(const ModelSpec& spec) const override {
    return std::make_unique<LinearForTest>(spec.input_shape.front(), spec.outputs);
  }
};

class Factory final : public PluginFactory {
 public:
  std::unique_ptr<Plugin> create(const std::string&, const PluginChoice&) const override {
    return std::make_unique<LinearArchitecture>();
  }
};

class Silent final : public Progress {
 public:
  void update(double, const std::string&) override {}
  void check_stop() const override {}
};

class NoFiles final : public Resources {
 public:
  std::filesystem::path resolve(const DataPath& path) const override { return path.text; }
};

/// 200 rows of three classes.
struct Data {
  DataFacts facts;
  Examples train;

  Data() {
    facts.input_shape = {4};
    facts.outputs = 3;
    train.inputs = at::empty({200, 4});
    RandomStream(1).fill_normal(train.inputs.mutable_data_ptr<float>(), 800, 1);
    train.targets = train.inputs.slice(1, 0, 3).argmax(1);
  }
};

std::unique_ptr<LearningAlgorithm> made(const SisaParams& params) {
  std::unique_ptr<Plugin> plugin =
      modeldiff_plugin_v1()->create(SisaParams::schema().write(params));
  return std::unique_ptr<LearningAlgorithm>(dynamic_cast<LearningAlgorithm*>(plugin.release()));
}

TrainedRun trained(const SisaParams& params, const Data& data, const RunSpec& run,
                   const InputRuns& inputs = {}) {
  TrainedRun out;
  const Factory factory;
  const NoFiles files;
  Silent silent;
  made(params)->train({.facts = data.facts,
                       .train = data.train,
                       .runs = {&run, 1},
                       .inputs = {&inputs, 1},
                       .keep = {},
                       .plugins = factory,
                       .resources = files,
                       .progress = silent,
                       .done = [&](std::size_t, TrainedRun result) { out = std::move(result); }});
  return out;
}

SisaParams whole() {
  SisaParams out;
  out.model = PluginChoice{"linear", {{"plugin", "linear"}}};
  out.shards = 4;
  out.slices = 3;
  out.epochs = 2;
  out.batch = 8;
  return out;
}

SisaParams changed() {
  SisaParams out;
  out.from = Reference{"whole"};
  out.change.remove.emplace();
  out.change.remove->count = 5;
  return out;
}

InputRuns as_input(const SisaParams& params, const Data& data, const TrainedRun& run,
                   const InputRuns& inputs = {}) {
  const Predictor predictor = made(params)->predictor(data.facts, inputs, Factory());
  return {{"whole", {{predictor, run.weights, {}, run.facts, run.tensors}}}};
}

at::Tensor all_but(const at::Tensor& removed) {
  at::Tensor keep = at::ones({200}, at::kBool);
  keep.index_fill_(0, removed.to(at::kLong), false);
  return keep.nonzero().squeeze(1);
}

std::string refusal(const SisaParams& params) {
  try {
    made(params);
  } catch (const ConfigError& error) {
    std::string out;
    for (const Diagnostic& one : error.diagnostics()) out += one.path + ": " + one.message + "\n";
    return out;
  }
  return "";
}

TEST_CASE("a deletion leaves what training from scratch without those rows leaves, bit for bit") {
  const Data data;
  const TrainedRun before = trained(whole(), data, {5, {}, "whole"});
  const TrainedRun after =
      trained(changed(), data, {9, {}, "changed"}, as_input(whole(), data, before));
  const at::Tensor removed = after.tensors.at("change.removed");
  CHECK(removed.numel() == 5);
  const TrainedRun scratch = trained(whole(), data, {5, all_but(removed), "scratch"});
  CHECK(after.weights.parameters.equal(scratch.weights.parameters));
  CHECK(after.weights.buffers.equal(scratch.weights.buffers));
  CHECK(after.tensors.at("sisa.checkpoints").equal(scratch.tensors.at("sisa.checkpoints")));
  CHECK(after.facts.at("sisa") == scratch.facts.at("sisa"));
  CHECK_FALSE(after.weights.parameters.equal(before.weights.parameters));
  CHECK(after.facts.at("work").at("shards_hit") >= 1);
  CHECK(after.facts.at("work").at("work_share") < 1);
}

TEST_CASE("a deletion can be followed by another, and rows can come back") {
  const Data data;
  const TrainedRun before = trained(whole(), data, {5, {}, "whole"});
  const InputRuns first = as_input(whole(), data, before);
  const TrainedRun without = trained(changed(), data, {9, {}, "changed"}, first);
  SisaParams back;
  back.from = Reference{"whole"};
  back.change.add = changed().change.remove;
  const TrainedRun again =
      trained(back, data, {9, {}, "back"}, as_input(changed(), data, without, first));
  CHECK(again.weights.parameters.equal(before.weights.parameters));
}

TEST_CASE("rows can be chosen by the loss of the ensemble") {
  const Data data;
  const TrainedRun before = trained(whole(), data, {5, {}, "whole"});
  const InputRuns inputs = as_input(whole(), data, before);
  SisaParams worst = changed();
  worst.change.remove->by = RowsBy::loss;
  const at::Tensor removed =
      trained(worst, data, {9, {}, "changed"}, inputs).tensors.at("change.removed");
  const InputRun& run = inputs.at("whole").front();
  const at::Tensor losses =
      at::cross_entropy_loss(run.predictor.outputs(run.weights, data.train.inputs),
                             data.train.targets, {}, at::Reduction::None);
  CHECK(removed.to(at::kLong).equal(std::get<0>(std::get<1>(losses.topk(5)).sort())));
}

TEST_CASE("deleting nothing makes no step and leaves the weights") {
  const Data data;
  const TrainedRun before = trained(whole(), data, {5, {}, "whole"});
  SisaParams nothing = changed();
  nothing.change.remove->count = 0;
  const TrainedRun after =
      trained(nothing, data, {9, {}, "changed"}, as_input(whole(), data, before));
  CHECK(after.weights.parameters.equal(before.weights.parameters));
  CHECK(after.steps == 0);
  CHECK(after.facts.at("work").at("work_share") == 0);
  CHECK(after.facts.at("work").at("shards_hit") == 0);
}

TEST_CASE("a run on other data is refused") {
  const Data data;
  const TrainedRun before = trained(whole(), data, {5, {}, "whole"});
  Data other;
  other.train.inputs[7][0] += 1;
  CHECK_THROWS_AS(trained(changed(), other, {9, {}, "changed"}, as_input(whole(), data, before)),
                  DataError);
}

TEST_CASE("keys that make no sense together are refused, with what to do") {
  SisaParams relabel = changed();
  relabel.change.relabel = relabel.change.remove;
  CHECK(refusal(relabel).starts_with("change.relabel: is not offered"));
  SisaParams twice = changed();
  twice.shards = 7;
  CHECK(refusal(twice) == "shards: is that of the run which `from` names; leave it out\n");
  SisaParams nothing;
  CHECK(refusal(nothing).starts_with("model: is needed"));
  SisaParams early = whole();
  early.change = changed().change;
  CHECK(refusal(early).starts_with("change: needs `from`"));
  SisaParams both = whole();
  both.steps = 3;
  CHECK(refusal(both).starts_with("steps: or `epochs`"));
}

}  // namespace
}  // namespace modeldiff::sisa
