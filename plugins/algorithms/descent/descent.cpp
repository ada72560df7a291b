#include "modeldiff/descent.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <numeric>
#include <string>

#include "descent_params.h"
#include "modeldiff/core/error.h"
#include "modeldiff/plugin.h"
#include "modeldiff/plugin_factory.h"

namespace modeldiff {
namespace {

std::vector<std::int32_t> rows_of(const RunSpec& run, std::int64_t examples) {
  std::vector<std::int32_t> out(static_cast<std::size_t>(examples));
  std::iota(out.begin(), out.end(), 0);
  if (!run.subset.defined()) return out;
  const at::Tensor rows = run.subset.to(at::kInt).contiguous();
  return {rows.const_data_ptr<std::int32_t>(), rows.const_data_ptr<std::int32_t>() + rows.numel()};
}

/// Plain gradient descent that leaves its trajectory behind. What other training has besides is
/// not there on purpose: a run must be a function of its batches alone to be repeated on changed
/// data.
class DescentAlgorithm final : public LearningAlgorithm {
 public:
  explicit DescentAlgorithm(DescentParams params) : params_(std::move(params)) {
    std::vector<Diagnostic> found = contradictions(params_.schedule);
    for (Diagnostic& d : found) d.path = "schedule." + d.path;
    if (params_.epochs.has_value() == params_.steps.has_value()) {
      Diagnostic& length = found.emplace_back();
      length.path = "steps";
      length.message = "or `epochs`: exactly one of the two is needed";
    }
    if (!found.empty()) throw ConfigError(std::move(found));
  }

  Predictor predictor(const DataFacts& facts, const InputRuns&,
                      const PluginFactory& plugins) const override {
    Predictor out;
    out.model = plugins.create_as<Architecture>("models", params_.model)
                    ->build({facts.input_shape, facts.outputs});
    require_objective(*out.model, facts, params_.precision);
    out.view = {{}, {}, facts.mean, facts.deviation};
    return out;
  }

  void train(const TrainRequest& request) const override {
    const Predictor model = predictor(request.facts, {}, request.plugins);
    const auto objective = make_objective(model, request.facts, request.train, params_.precision);
    Pulse pulse(request.progress, request.runs.size());
    for (std::size_t r = 0; r < request.runs.size(); ++r) {
      const RunSpec& run = request.runs[r];
      pulse.begin_run(r, run.label + size_of_trajectory(model, run, request.train.size()));
      request.done(r, train_one(request, *objective, *model.model, run, pulse));
    }
  }

  double memory_bytes(const DataFacts& facts, const InputRuns& inputs, std::int64_t examples,
                      const PluginFactory& plugins) const override {
    const Predictor model = predictor(facts, inputs, plugins);
    return trajectory_bytes(model, examples) + descent_memory_bytes(model, facts, examples);
  }

 private:
  double trajectory_bytes(const Predictor& model, std::int64_t examples) const {
    const double bytes = trajectory_number_bytes(params_.trajectory, params_.precision);
    return bytes * static_cast<double>(rates_of(examples).size()) *
           static_cast<double>(model.model->parameters().count());
  }

  /// For people, before it is written.
  std::string size_of_trajectory(const Predictor& model, const RunSpec& run,
                                 std::int64_t examples) const {
    const double bytes =
        trajectory_bytes(model, run.subset.defined() ? run.subset.numel() : examples);
    return bytes > 0 ? fmt::format(", leaves a trajectory of {:.1f} MB", bytes / 1e6) : "";
  }

  std::vector<double> rates_of(std::int64_t examples) const {
    DescentPlan plan;
    plan.batch = params_.batch.value_or(0);
    plan.rows.resize(static_cast<std::size_t>(examples));
    const std::int64_t steps =
        params_.steps ? *params_.steps : *params_.epochs * plan.steps_per_epoch();
    return learning_rates(params_.schedule, params_.lr, steps);
  }

  DescentPlan plan_of(const TrainRequest& request, const RunSpec& run) const {
    DescentPlan plan;
    plan.rows = rows_of(run, request.train.size());
    if (params_.without) {
      const std::vector<std::int32_t> left_out =
          select_rows(*params_.without, request.train, run.index);
      std::vector<std::int32_t> kept;
      std::set_difference(plan.rows.begin(), plan.rows.end(), left_out.begin(), left_out.end(),
                          std::back_inserter(kept));
      plan.rows = std::move(kept);
    }
    if (plan.rows.empty()) throw ConfigError("without", "leaves no training example");
    plan.seed = run.seed;
    plan.batch = params_.batch.value_or(0);
    plan.rates = rates_of(static_cast<std::int64_t>(plan.rows.size()));
    plan.weight_decay = params_.weight_decay;
    plan.precision = params_.precision;
    return plan;
  }

  TrainedRun train_one(const TrainRequest& request, const Objective& objective, const Model& model,
                       const RunSpec& run, Pulse& pulse) const {
    Trajectory trajectory;
    trajectory.plan = plan_of(request, run);
    RandomStream random(run.seed, "init");
    trajectory.initial = model.initialise(random).parameters.to(at::kDouble);
    trajectory.data_digest = training_set_digest(request.train, trajectory.plan);
    const DescentPlan& plan = trajectory.plan;
    CheckpointKeeper checkpoints(request.keep, plan.rates);
    const Descent result =
        descend({.objective = objective,
                 .plan = plan,
                 .change = {},
                 .initial = trajectory.initial,
                 .keep = params_.trajectory,
                 .label = run.label,
                 .after = [&](std::int64_t step, const at::Tensor& w) {
                   checkpoints.after(step, w);
                   pulse.beat(static_cast<double>(step + 1) / static_cast<double>(plan.steps()));
                 }});
    trajectory.gradients = result.gradients;
    TrainedRun out = trained_run(plan, result.w, result.losses, checkpoints.take());
    leave_trajectory(trajectory, out);
    return out;
  }

  DescentParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("algorithms", "descent", "1.0",
                 "Plain gradient descent that keeps its trajectory, for rapid retraining",
                 DescentAlgorithm, DescentParams, R"({"leaves": "trajectory", "inputs": "sparse"})")

}  // namespace modeldiff
