#include <ATen/ATen.h>

#include "modeldiff/follow.h"
#include "modeldiff/plugin.h"
#include "retrain_params.h"

namespace modeldiff {
namespace {

/// The truth that rapid retraining is measured by: the run `from` once more on the changed data,
/// from the same weights, with the same rates and batches less what is deleted.
class Retrain final : public FollowingAlgorithm {
 public:
  explicit Retrain(const RetrainParams& params)
      : FollowingAlgorithm(
            {params.from, params.change, params.requests, params.trajectory, /*at_once=*/1}) {}

 private:
  bool needs_gradients() const override { return false; }

  FollowResult follow(const Followed& followed) const override {
    const DescentPlan& plan = followed.trajectory.plan;
    CheckpointKeeper checkpoints(followed.keep, plan.rates);
    const Descent result =
        descend({.objective = followed.after,
                 .plan = plan,
                 .change = followed.change,
                 .initial = followed.trajectory.initial,
                 .keep = followed.wants_gradients ? TrajectoryForm::exact : TrajectoryForm::none,
                 .label = followed.run.label,
                 .after = [&](std::int64_t step, const at::Tensor& w) {
                   checkpoints.after(step, w);
                   followed.beat(static_cast<double>(step + 1) / static_cast<double>(plan.steps()));
                 }});
    TrainedRun out = trained_run(plan, result.w, result.losses, checkpoints.take());
    out.facts["work"] = {{"exact_steps", plan.steps()}, {"work_share", 1}};
    return {std::move(out), result.w, result.gradients};
  }
};

}  // namespace

MODELDIFF_PLUGIN("algorithms", "retrain", "1.0",
                 "A run repeated on changed data, with the same batches: the truth", Retrain,
                 RetrainParams, kFollowsAndLeavesTrajectory)

}  // namespace modeldiff
