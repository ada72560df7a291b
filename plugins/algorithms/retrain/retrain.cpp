#include <ATen/ATen.h>

#include "modeldiff/core/error.h"
#include "modeldiff/descent.h"
#include "modeldiff/plugin.h"
#include "retrain_params.h"

namespace modeldiff {
namespace {

/// The truth that rapid retraining is measured by: the run `from` once more on the changed data,
/// from the same weights, with the same rates and batches less what is deleted.
class Retrain final : public LearningAlgorithm {
 public:
  explicit Retrain(RetrainParams params) : params_(std::move(params)) {}

  Predictor predictor(const DataFacts&, const InputRuns& inputs,
                      const PluginFactory&) const override {
    return inputs.at(params_.from.name).front().predictor;
  }

  void train(const TrainRequest& request) const override {
    Pulse pulse(request.progress, request.runs.size());
    FollowedRuns followed(request, params_.from);
    for (std::size_t r = 0; r < request.runs.size(); ++r) {
      pulse.begin_run(r, request.runs[r].label);
      const FollowedRun& run = followed.of(r);
      const DescentPlan& plan = run.trajectory.plan;
      const DataChange change = draw_change(params_.change, request.facts, request.train, plan.rows,
                                            request.runs[r].index);
      const auto objective =
          change.targets.defined() ? run.objective->with_targets(change.targets) : run.objective;
      CheckpointKeeper checkpoints(request.keep, plan.rates);
      const Descent result =
          descend({.objective = *objective,
                   .plan = plan,
                   .change = change,
                   .initial = run.trajectory.initial,
                   .label = request.runs[r].label,
                   .after = [&](std::int64_t step, const at::Tensor& w) {
                     checkpoints.after(step, w);
                     pulse.beat(static_cast<double>(step + 1) / static_cast<double>(plan.steps()));
                   }});
      TrainedRun out = trained_run(plan, result.w, result.losses, checkpoints.take());
      out.facts["work"] = {{"exact_steps", plan.steps()}, {"work_share", 1}};
      leave_change(change, out);
      request.done(r, std::move(out));
    }
  }

  double memory_bytes(const DataFacts& facts, const InputRuns& inputs, std::int64_t examples,
                      const PluginFactory& plugins) const override {
    return descent_memory_bytes(predictor(facts, inputs, plugins), facts, examples);
  }

 private:
  RetrainParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("algorithms", "retrain", "1.0",
                 "A run repeated on changed data, with the same batches: the truth", Retrain,
                 RetrainParams, kFollowsTrajectory)

}  // namespace modeldiff
