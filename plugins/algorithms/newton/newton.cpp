#include <ATen/ATen.h>

#include "modeldiff/core/error.h"
#include "modeldiff/descent.h"
#include "modeldiff/plugin.h"
#include "newton_params.h"
#include "newton_step.h"

namespace modeldiff {
namespace {

/// The weights of a run, moved by one step of Newton's method for the changed data.
class Newton final : public LearningAlgorithm {
 public:
  explicit Newton(NewtonParams params) : params_(std::move(params)) {}

  Predictor predictor(const DataFacts&, const InputRuns& inputs,
                      const PluginFactory&) const override {
    return inputs.at(params_.from.name).front().predictor;
  }

  void train(const TrainRequest& request) const override {
    Pulse pulse(request.progress, request.runs.size());
    FollowedRuns followed(request, params_.from);
    for (std::size_t r = 0; r < request.runs.size(); ++r) {
      request.progress.check_stop();
      pulse.begin_run(r, request.runs[r].label);
      const FollowedRun& run = followed.of(r);
      const DescentPlan& plan = run.trajectory.plan;
      const DataChange change = draw_change(params_.change, request.facts, request.train, plan.rows,
                                            request.runs[r].index);
      const auto after =
          change.targets.defined() ? run.objective->with_targets(change.targets) : run.objective;
      const at::Tensor w =
          request.inputs[r].at(params_.from.name).front().weights.parameters.to(at::kDouble);
      const newton::NewtonResult result = newton::newton_step({.before = *run.objective,
                                                               .after = *after,
                                                               .plan = plan,
                                                               .change = change,
                                                               .w = w,
                                                               .params = params_});
      TrainedRun out;
      out.weights.parameters = result.w.to(at::kFloat);
      out.facts["work"] = {{"iterations", result.iterations},
                           {"residual", result.residual},
                           {"work_share", static_cast<double>(result.rows) / plan.gradients()}};
      leave_change(change, out);
      request.done(r, std::move(out));
    }
  }

  double memory_bytes(const DataFacts& facts, const InputRuns& inputs, std::int64_t examples,
                      const PluginFactory& plugins) const override {
    return descent_memory_bytes(predictor(facts, inputs, plugins), facts, examples);
  }

 private:
  NewtonParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("algorithms", "newton", "1.0",
                 "A run moved by one Newton step, or by its influence function, for changed data",
                 Newton, NewtonParams, kFollowsTrajectory)

}  // namespace modeldiff
