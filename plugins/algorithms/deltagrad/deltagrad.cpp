#include <ATen/ATen.h>

#include <algorithm>

#include "delta_descent.h"
#include "deltagrad_params.h"
#include "modeldiff/core/error.h"
#include "modeldiff/descent.h"
#include "modeldiff/plugin.h"

namespace modeldiff {
namespace {

Json work_of(const deltagrad::DeltaReport& report, const DescentPlan& plan) {
  Json audits = Json::array();
  for (const auto& [step, error] : report.audits)
    audits.push_back({{"step", step}, {"error", error}});
  return {{"exact_steps", report.exact_steps},
          {"approximate_steps", report.approximate_steps},
          {"fallbacks", report.fallbacks},
          {"refused_pairs", report.refused_pairs},
          {"work_share", static_cast<double>(report.rows) / plan.gradients()},
          {"stiffness", report.stiffness},
          {"audits", audits}};
}

/// Approximate retraining from the trajectory of a run of `descent`.
class DeltaGrad final : public LearningAlgorithm {
 public:
  explicit DeltaGrad(DeltaGradParams params) : params_(std::move(params)) {}

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
      if (!run.trajectory.gradients.defined()) {
        throw ConfigError(
            "from", "names a run that did not keep its gradients; give it `trajectory: true`");
      }
      const DataChange change = draw_change(params_.change, request.facts, request.train, plan.rows,
                                            request.runs[r].index);
      const auto after =
          change.targets.defined() ? run.objective->with_targets(change.targets) : run.objective;
      CheckpointKeeper checkpoints(request.keep, plan.rates);
      const deltagrad::DeltaResult result = deltagrad::delta_descend(
          {.before = *run.objective,
           .after = *after,
           .trajectory = run.trajectory,
           .change = change,
           .params = params_,
           .label = request.runs[r].label,
           .on_step = [&](std::int64_t step, const at::Tensor& w) {
             checkpoints.after(step, w);
             pulse.beat(static_cast<double>(step + 1) / static_cast<double>(plan.steps()));
           }});
      TrainedRun out = trained_run(plan, result.w, {}, checkpoints.take());
      out.facts["work"] = work_of(result.report, plan);
      leave_change(change, out);
      request.done(r, std::move(out));
    }
  }

  double memory_bytes(const DataFacts& facts, const InputRuns& inputs, std::int64_t examples,
                      const PluginFactory& plugins) const override {
    const Predictor model = predictor(facts, inputs, plugins);
    const double pairs = 16.0 * static_cast<double>(params_.pairs) *
                         static_cast<double>(model.model->parameters().count());
    return pairs + descent_memory_bytes(model, facts, examples);
  }

 private:
  DeltaGradParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("algorithms", "deltagrad", "1.0",
                 "Rapid retraining on changed data from a trajectory (Wu et al. 2020)", DeltaGrad,
                 DeltaGradParams, kFollowsTrajectory)

}  // namespace modeldiff
