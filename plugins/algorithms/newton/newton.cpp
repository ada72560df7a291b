#include <ATen/ATen.h>

#include "modeldiff/follow.h"
#include "modeldiff/plugin.h"
#include "newton_params.h"
#include "newton_step.h"

namespace modeldiff {
namespace {

/// The weights of a run, moved by one step of Newton's method for the changed data.
class Newton final : public FollowingAlgorithm {
 public:
  explicit Newton(NewtonParams params)
      : FollowingAlgorithm({params.from, params.change}), params_(std::move(params)) {}

 private:
  bool needs_gradients() const override { return false; }

  FollowResult follow(const Followed& followed) const override {
    const DescentPlan& plan = followed.trajectory.plan;
    const newton::NewtonResult result = newton::newton_step(
        {followed.before, followed.after, plan, followed.change, followed.w, params_});
    TrainedRun out;
    out.weights.parameters = result.w.to(at::kFloat);
    out.facts["work"] = {{"iterations", result.iterations},
                         {"residual", result.residual},
                         {"work_share", static_cast<double>(result.rows) / plan.gradients()}};
    return {std::move(out), result.w, {}};
  }

  NewtonParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("algorithms", "newton", "1.0",
                 "A run moved by one Newton step, or by its influence function, for changed data",
                 Newton, NewtonParams, kFollowsTrajectory)

}  // namespace modeldiff
