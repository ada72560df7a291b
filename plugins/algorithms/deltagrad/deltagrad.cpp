#include <ATen/ATen.h>

#include "delta_descent.h"
#include "deltagrad_params.h"
#include "modeldiff/follow.h"
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

/// Approximate retraining from the trajectory of a run.
class DeltaGrad final : public FollowingAlgorithm {
 public:
  explicit DeltaGrad(DeltaGradParams params)
      : FollowingAlgorithm(params.from, params.change), params_(std::move(params)) {}

  double memory_bytes(const DataFacts& facts, const InputRuns& inputs, std::int64_t examples,
                      const PluginFactory& plugins) const override {
    const Predictor model = predictor(facts, inputs, plugins);
    // Both vectors of a pair, and the basis that is made of them.
    const double pairs = 4.0 * 8 * static_cast<double>(params_.pairs) *
                         static_cast<double>(model.model->parameters().count());
    return pairs + FollowingAlgorithm::memory_bytes(facts, inputs, examples, plugins);
  }

 private:
  bool needs_gradients() const override { return true; }

  TrainedRun follow(const Followed& followed) const override {
    const DescentPlan& plan = followed.trajectory.plan;
    CheckpointKeeper checkpoints(followed.keep, plan.rates);
    const deltagrad::DeltaResult result = deltagrad::delta_descend(
        {.before = followed.before,
         .after = followed.after,
         .trajectory = followed.trajectory,
         .change = followed.change,
         .params = params_,
         .label = followed.run.label,
         .on_step = [&](std::int64_t step, const at::Tensor& w) {
           checkpoints.after(step, w);
           followed.beat(static_cast<double>(step + 1) / static_cast<double>(plan.steps()));
         }});
    TrainedRun out = trained_run(plan, result.w, {}, checkpoints.take());
    out.facts["work"] = work_of(result.report, plan);
    return out;
  }

  DeltaGradParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("algorithms", "deltagrad", "1.0",
                 "Rapid retraining on changed data from a trajectory (Wu et al. 2020)", DeltaGrad,
                 DeltaGradParams, kFollowsTrajectory)

}  // namespace modeldiff
