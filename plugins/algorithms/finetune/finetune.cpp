#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "finetune_params.h"
#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"
#include "modeldiff/descent.h"
#include "modeldiff/plugin.h"

namespace modeldiff {
namespace {

/// The weights before `step`, rebuilt from the gradients that were kept.
at::Tensor weights_before(const Trajectory& trajectory, std::int64_t step) {
  at::Tensor w = trajectory.initial.clone();
  for (std::int64_t t = 0; t < step; ++t) {
    descent_step(w, trajectory.plan.rates[static_cast<std::size_t>(t)],
                 trajectory.plan.weight_decay, trajectory.gradients[t]);
  }
  return w;
}

/// Some steps of gradient descent on the changed data from where a run ended ("descent to delete",
/// Neel, Roth and Sharifi-Malvajerdi 2021, arXiv:2007.02923), or from where it was some steps
/// before its end ("rewind to delete", Mu and Klabjan 2024, arXiv:2409.09778).
class Finetune final : public LearningAlgorithm {
 public:
  explicit Finetune(FinetuneParams params) : params_(std::move(params)) {}

  Predictor predictor(const DataFacts&, const InputRuns& inputs,
                      const PluginFactory&) const override {
    return inputs.at(params_.from.name).front().predictor;
  }

  void train(const TrainRequest& request) const override {
    Pulse pulse(request.progress, request.runs.size());
    FollowedRuns followed(request, params_.from);
    for (std::size_t r = 0; r < request.runs.size(); ++r) {
      const RunSpec& run = request.runs[r];
      pulse.begin_run(r, run.label);
      const FollowedRun& before = followed.of(r);
      if (!before.trajectory.gradients.defined()) {
        throw ConfigError(
            "from", "names a run that did not keep its gradients; give it `trajectory: true`");
      }
      request.done(r, train_one(request, before, run, pulse));
    }
  }

  double memory_bytes(const DataFacts& facts, const InputRuns& inputs, std::int64_t examples,
                      const PluginFactory& plugins) const override {
    return descent_memory_bytes(predictor(facts, inputs, plugins), facts, examples);
  }

 private:
  TrainedRun train_one(const TrainRequest& request, const FollowedRun& before, const RunSpec& run,
                       Pulse& pulse) const {
    const DescentPlan& whole = before.trajectory.plan;
    const DataChange change =
        draw_change(params_.change, request.facts, request.train, whole.rows, run.index);
    const auto objective = change.targets.defined() ? before.objective->with_targets(change.targets)
                                                    : before.objective;
    const std::int64_t steps =
        std::max<std::int64_t>(1, std::llround(params_.share * static_cast<double>(whole.steps())));
    const std::int64_t begin = params_.rewind ? whole.steps() - steps : 0;
    DescentPlan plan = whole;
    if (!params_.rewind) {  // new batches, at the rate with which the run ended
      plan.seed = derive_seed(whole.seed, "finetune");
      plan.rates.assign(static_cast<std::size_t>(steps), whole.rates.back());
    }
    const at::Tensor initial =
        weights_before(before.trajectory, params_.rewind ? begin : whole.steps());
    CheckpointKeeper checkpoints(request.keep, {plan.rates.begin() + begin, plan.rates.end()});
    const Descent result =
        descend({.objective = *objective,
                 .plan = plan,
                 .change = change,
                 .initial = initial,
                 .begin = begin,
                 .label = run.label,
                 .after = [&](std::int64_t step, const at::Tensor& w) {
                   checkpoints.after(step - begin, w);
                   pulse.beat(static_cast<double>(step - begin + 1) / static_cast<double>(steps));
                 }});
    TrainedRun out = trained_run(plan, result.w, result.losses, checkpoints.take());
    out.steps = steps;
    out.facts["work"] = {
        {"exact_steps", steps},
        {"work_share", static_cast<double>(steps) / static_cast<double>(whole.steps())}};
    leave_change(change, out);
    return out;
  }

  FinetuneParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("algorithms", "finetune", "1.0",
                 "Some steps on changed data after a run, or in place of its last ones", Finetune,
                 FinetuneParams, kFollowsTrajectory)

}  // namespace modeldiff
