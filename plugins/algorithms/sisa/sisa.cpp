#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <numeric>
#include <string>
#include <utility>

#include "ensemble.h"
#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"
#include "modeldiff/descent.h"
#include "modeldiff/plugin.h"
#include "modeldiff/plugin_factory.h"
#include "shard_training.h"
#include "sisa_params.h"

namespace modeldiff {
namespace {

using sisa::Ensemble;
using sisa::ShardPlan;
using sisa::Shards;

constexpr const char* kTraits = R"({
  "inputs": "sparse",
  "leaves": "shards",
  "follows": "shards",
  "because": "only a run of isolated shards knows the weights from before a row was seen"
})";

using Rows = std::vector<std::int32_t>;

Rows rows_of(const RunSpec& run, std::int64_t examples) {
  Rows out(static_cast<std::size_t>(examples));
  std::iota(out.begin(), out.end(), 0);
  if (!run.subset.defined()) return out;
  const at::Tensor rows = run.subset.to(at::kInt).contiguous();
  return {rows.const_data_ptr<std::int32_t>(), rows.const_data_ptr<std::int32_t>() + rows.numel()};
}

/// The rows after a change, ascending.
Rows changed(const Rows& rows, const DataChange& change) {
  DescentPlan plan;
  plan.rows = rows;
  return plan.after(change).live_rows();
}

// ---- what a run leaves behind ----

std::string digest_of(const Examples& train, const ShardPlan& plan) {
  DescentPlan rows;
  rows.rows = plan.rows;
  return training_set_digest(train, rows);
}

void leave_shards(const ShardPlan& plan, const std::string& digest, const at::Tensor& checkpoints,
                  TrainedRun& run) {
  run.tensors["sisa.rows"] = at::tensor(plan.rows, at::kInt);
  run.tensors["sisa.checkpoints"] = checkpoints;
  run.facts["sisa"] = {{"seed", plan.seed},
                       {"examples", plan.examples},
                       {"shards", plan.shards},
                       {"slices", plan.slices},
                       {"epochs", plan.epochs},
                       {"steps", plan.steps},
                       {"batch", plan.batch},
                       {"lr", plan.rate},
                       {"weight_decay", plan.weight_decay},
                       {"precision", FieldTraits<Precision>::write(plan.precision)},
                       {"data_digest", digest}};
}

ShardPlan read_plan(const InputRun& run, const Examples& train) {
  const auto facts = run.facts.find("sisa");
  if (facts == run.facts.end())
    throw ConfigError("from", "names a run that is no ensemble of shards; make it with `sisa`");
  const at::Tensor rows = run.tensors.at("sisa.rows").contiguous();
  ShardPlan out;
  out.rows.assign(rows.const_data_ptr<std::int32_t>(),
                  rows.const_data_ptr<std::int32_t>() + rows.numel());
  facts->at("seed").get_to(out.seed);
  facts->at("examples").get_to(out.examples);
  facts->at("shards").get_to(out.shards);
  facts->at("slices").get_to(out.slices);
  facts->at("epochs").get_to(out.epochs);
  facts->at("steps").get_to(out.steps);
  facts->at("batch").get_to(out.batch);
  facts->at("lr").get_to(out.rate);
  facts->at("weight_decay").get_to(out.weight_decay);
  out.precision = FieldTraits<Precision>::read(facts->at("precision"));
  const auto digest = facts->at("data_digest").get<std::string>();
  if (out.examples != train.size() || digest != digest_of(train, out)) {
    throw DataError(
        fmt::format("the run that `from` names was trained on other data: theirs have the SHA-256 "
                    "{:.12}...",
                    digest));
  }
  return out;
}

/// Losses of an ensemble [k]: cross-entropy in nats, or half the squared error.
at::Tensor losses_of(const InputRun& run, const Examples& examples) {
  const at::Tensor outputs = run.predictor.outputs(run.weights, examples.inputs);
  if (examples.targets.scalar_type() == at::kLong)
    return at::cross_entropy_loss(outputs, examples.targets, {}, at::Reduction::None);
  return 0.5 * (outputs - examples.targets.reshape_as(outputs)).square().sum(1);
}

// ---- one run ----

/// What is trained, and from where.
struct Assignment {
  ShardPlan plan;
  DataChange change;
  at::Tensor kept;  // [shards, slices, p] float64, of the run before; undefined when there is none
};

/// The ensemble on the way, for checkpoints of it: shards are trained one after the other.
class Course {
 public:
  Course(const CheckpointRequest& keep, std::int64_t steps, double rate, at::Tensor start)
      : keeper_(keep, std::vector<double>(static_cast<std::size_t>(steps), rate)),
        weights_(std::move(start)),
        keeps_(keep.count > 0) {}

  void after(std::int64_t shard, const at::Tensor& w) {
    if (keeps_) {
      weights_[shard].copy_(w);
      keeper_.after(step_, weights_.view(-1));
    }
    ++step_;
  }
  std::int64_t steps_done() const { return step_; }
  std::vector<Checkpoint> take(const at::Tensor& votes) {
    std::vector<Checkpoint> out = keeper_.take();
    for (Checkpoint& checkpoint : out) checkpoint.weights.buffers = votes;
    return out;
  }

 private:
  CheckpointKeeper keeper_;
  at::Tensor weights_;  // [shards, p] float64
  bool keeps_;
  std::int64_t step_ = 0;
};

std::int64_t steps_from(const Shards& shards, const std::vector<std::int64_t>& first) {
  std::int64_t out = 0;
  for (std::int64_t shard = 0; shard < shards.plan().shards; ++shard) {
    for (std::int64_t slice = first[static_cast<std::size_t>(shard)]; slice < shards.plan().slices;
         ++slice)
      out += shards.descent(shard, slice).steps();
  }
  return out;
}

/// Fresh weights of each shard, [shards, p] float64.
at::Tensor initial_weights(const Ensemble& ensemble, std::uint64_t seed) {
  std::vector<at::Tensor> out;
  for (std::int64_t shard = 0; shard < ensemble.shards(); ++shard) {
    RandomStream random(seed, "init", static_cast<std::uint64_t>(shard));
    out.push_back(ensemble.shard()->initialise(random).parameters.to(at::kDouble));
  }
  return at::stack(out);
}

/// Isolated shards, each with a model of its own that sees its slices one after the other; and the
/// ensemble on changed data, of which only what is hit is trained anew. Bourtoule et al. 2021
/// ("Machine Unlearning", arXiv:1912.03817).
class Sisa final : public LearningAlgorithm {
 public:
  explicit Sisa(SisaParams params) : params_(std::move(params)) {
    std::vector<Diagnostic> found = params_.from ? contradictions_of_change() : missing();
    if (!found.empty()) throw ConfigError(std::move(found));
  }

  Predictor predictor(const DataFacts& facts, const InputRuns& inputs,
                      const PluginFactory& plugins) const override {
    if (params_.from) return inputs.at(params_.from->name).front().predictor;
    const std::shared_ptr<const Model> shard =
        plugins.create_as<Architecture>("models", *params_.model)
            ->build({facts.input_shape, facts.outputs});
    require_objective(*shard, facts, params_.precision);
    Predictor out;
    out.model = std::make_shared<Ensemble>(shard, params_.shards, facts.task);
    out.view = {{}, {}, facts.mean, facts.deviation};
    return out;
  }

  void train(const TrainRequest& request) const override {
    Pulse pulse(request.progress, request.runs.size());
    std::shared_ptr<const Objective> objective;
    for (std::size_t r = 0; r < request.runs.size(); ++r) {
      const RunSpec& run = request.runs[r];
      pulse.begin_run(r, run.label);
      const Predictor model = predictor(request.facts, request.inputs[r], request.plugins);
      const Assignment task = params_.from ? changed_run(request, r) : whole_run(request, run);
      const Ensemble& ensemble = ensemble_of(model);
      if (!objective) {
        objective = make_objective({ensemble.shard(), model.view}, request.facts, request.train,
                                   task.plan.precision);
      }
      const auto start = std::chrono::steady_clock::now();
      TrainedRun made = train_one(request, *objective, ensemble, run, task, pulse);
      made.seconds["work"] =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      request.done(r, std::move(made));
    }
  }

  double memory_bytes(const DataFacts& facts, const InputRuns& inputs, std::int64_t examples,
                      const PluginFactory& plugins) const override {
    const Predictor model = predictor(facts, inputs, plugins);
    const double checkpoints = 8.0 * static_cast<double>(params_.slices) *
                               static_cast<double>(model.model->parameters().count());
    return checkpoints + descent_memory_bytes(model, facts, examples);
  }

 private:
  static void add(std::vector<Diagnostic>& found, const std::string& path, const char* message) {
    Diagnostic& one = found.emplace_back();
    one.path = path;
    one.message = message;
  }

  std::vector<Diagnostic> missing() const {
    std::vector<Diagnostic> out;
    if (!params_.model) add(out, "model", "is needed, or `from` with a run to change");
    if (params_.epochs.has_value() == params_.steps.has_value())
      add(out, "steps", "or `epochs`: exactly one of the two is needed");
    if (params_.change.remove || params_.change.add || params_.change.relabel)
      add(out, "change",
          "needs `from`, the run that it changes; to train without some rows say `without`");
    if (params_.run) add(out, "run", "needs `from`, the algorithm whose run it is");
    return out;
  }

  /// Keys that the run which is changed has decided already, and changes that are not offered.
  std::vector<Diagnostic> contradictions_of_change() const {
    std::vector<Diagnostic> out;
    const Json given = SisaParams::schema().write(params_);
    const Json defaults = SisaParams::schema().write({});
    for (const auto& [key, value] : given.items()) {
      if (key == "from" || key == "run" || key == "change" || value == defaults.at(key)) continue;
      add(out, key, "is that of the run which `from` names; leave it out");
    }
    if (params_.change.relabel)
      add(out, "change.relabel",
          "is not offered: shards forget rows and take new ones; delete the row, or use `retrain`");
    return out;
  }

  static const Ensemble& ensemble_of(const Predictor& predictor) {
    const auto* ensemble = dynamic_cast<const Ensemble*>(predictor.model.get());
    if (!ensemble) throw ConfigError("from", "names a run that is no ensemble of shards");
    return *ensemble;
  }

  Assignment whole_run(const TrainRequest& request, const RunSpec& run) const {
    ShardPlan plan;
    plan.examples = request.train.size();
    plan.rows = rows_of(run, plan.examples);
    if (params_.without) {
      DataChange without;
      without.removed = select_rows(*params_.without, request.train, run.index);
      plan.rows = changed(plan.rows, without);
    }
    if (plan.rows.empty()) throw ConfigError("without", "leaves no training example");
    plan.seed = run.seed;
    plan.shards = params_.shards;
    plan.slices = params_.slices;
    plan.epochs = params_.epochs.value_or(0);
    plan.steps = params_.steps.value_or(0);
    plan.batch = params_.batch.value_or(0);
    plan.rate = params_.lr;
    plan.weight_decay = params_.weight_decay;
    plan.precision = params_.precision;
    return {std::move(plan), {}, {}};
  }

  Assignment changed_run(const TrainRequest& request, std::size_t r) const {
    const InputRun& before = request.inputs[r].at(params_.from->name).front();
    Assignment out;
    out.plan = read_plan(before, request.train);
    const RowLosses losses = [&](const Rows& rows) {
      return losses_of(before, request.train.select(at::tensor(rows, at::kLong)));
    };
    out.change = draw_change(params_.change, request.facts, request.train, out.plan.rows,
                             request.runs[r].index, losses);
    out.plan.rows = changed(out.plan.rows, out.change);
    out.kept = before.tensors.at("sisa.checkpoints");
    return out;
  }

  static TrainedRun train_one(const TrainRequest& request, const Objective& objective,
                              const Ensemble& ensemble, const RunSpec& run, const Assignment& task,
                              Pulse& pulse) {
    const Shards shards(task.plan);
    const std::vector<std::int64_t> all(static_cast<std::size_t>(task.plan.shards), 0);
    const std::vector<std::int64_t> first =
        task.kept.defined() ? shards.first_hit(task.change) : all;
    const std::int64_t steps = steps_from(shards, first);
    const at::Tensor initial = initial_weights(ensemble, task.plan.seed);
    Course course(
        request.keep, steps, task.plan.rate,
        task.kept.defined() ? task.kept.select(1, task.plan.slices - 1).clone() : initial.clone());
    const sisa::TrainedShards trained = sisa::train_shards(
        {.objective = objective,
         .shards = shards,
         .initial = initial,
         .kept = task.kept,
         .first = first,
         .label = run.label,
         .after = [&](std::int64_t shard, const at::Tensor& w) {
           course.after(shard, w);
           pulse.beat(static_cast<double>(course.steps_done()) / static_cast<double>(steps));
         }});
    TrainedRun out;
    const at::Tensor votes = at::tensor(shards.votes());
    out.weights.parameters =
        trained.checkpoints.select(1, task.plan.slices - 1).reshape(-1).to(at::kFloat);
    out.weights.buffers = votes;
    out.checkpoints = course.take(votes);
    if (!task.kept.defined()) out.epoch_loss = trained.losses;
    out.steps = steps;
    leave_shards(task.plan, digest_of(request.train, task.plan), trained.checkpoints, out);
    if (task.kept.defined()) tell_work(shards, first, task.change, out);
    return out;
  }

  static void tell_work(const Shards& shards, const std::vector<std::int64_t>& first,
                        const DataChange& change, TrainedRun& run) {
    const std::int64_t slices = shards.plan().slices;
    const std::vector<std::int64_t> all(first.size(), 0);
    run.facts["work"] = {
        {"work_share", shards.gradients(first) / shards.gradients(all)},
        {"shards_hit", std::count_if(first.begin(), first.end(),
                                     [&](std::int64_t slice) { return slice < slices; })}};
    if (!change.removed.empty())
      run.tensors["change.removed"] = at::tensor(change.removed, at::kInt);
    if (!change.added.empty()) run.tensors["change.added"] = at::tensor(change.added, at::kInt);
  }

  SisaParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("algorithms", "sisa", "1.0",
                 "An ensemble of isolated shards, and the same on changed data at the price of the "
                 "shards that are hit",
                 Sisa, SisaParams, kTraits)

}  // namespace modeldiff
