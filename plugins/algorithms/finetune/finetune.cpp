#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "finetune_params.h"
#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"
#include "modeldiff/follow.h"
#include "modeldiff/plugin.h"

namespace modeldiff {
namespace {

/// The weights before `step`, rebuilt from the gradients that were kept.
at::Tensor weights_before(const Trajectory& trajectory, std::int64_t step) {
  if (trajectory.gradients.scalar_type() == at::kBFloat16) {
    throw ConfigError("from",
                      "names a run whose gradients were kept in bfloat16, from which its weights "
                      "cannot be rebuilt; give it `trajectory: exact`");
  }
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
class Finetune final : public FollowingAlgorithm {
 public:
  explicit Finetune(const FinetuneParams& params)
      : FollowingAlgorithm({params.from, params.change}),
        share_(params.share),
        rewind_(params.rewind) {}

 private:
  bool needs_gradients() const override { return rewind_; }

  FollowResult follow(const Followed& followed) const override {
    const DescentPlan& whole = followed.trajectory.plan;
    const std::int64_t steps =
        std::max<std::int64_t>(1, std::llround(share_ * static_cast<double>(whole.steps())));
    const std::int64_t begin = rewind_ ? whole.steps() - steps : 0;
    DescentPlan plan = whole;
    if (!rewind_) {  // new batches, at the rate with which the run ended
      plan.seed = derive_seed(whole.seed, "finetune");
      plan.rates.assign(static_cast<std::size_t>(steps), whole.rates.back());
    }
    const at::Tensor initial = rewind_ ? weights_before(followed.trajectory, begin) : followed.w;
    CheckpointKeeper checkpoints(followed.keep, {plan.rates.begin() + begin, plan.rates.end()});
    const Descent result = descend({.objective = followed.after,
                                    .plan = plan,
                                    .change = followed.change,
                                    .initial = initial,
                                    .begin = begin,
                                    .label = followed.run.label,
                                    .after = [&](std::int64_t step, const at::Tensor& w) {
                                      checkpoints.after(step - begin, w);
                                      followed.beat(static_cast<double>(step - begin + 1) /
                                                    static_cast<double>(steps));
                                    }});
    TrainedRun out = trained_run(plan, result.w, result.losses, checkpoints.take());
    out.steps = steps;
    out.facts["work"] = {
        {"exact_steps", steps},
        {"work_share", static_cast<double>(steps) / static_cast<double>(whole.steps())}};
    return {std::move(out), result.w, {}};
  }

  double share_;
  bool rewind_;
};

}  // namespace

MODELDIFF_PLUGIN("algorithms", "finetune", "1.0",
                 "Some steps on changed data after a run, or in place of its last ones", Finetune,
                 FinetuneParams, kFollowsTrajectory)

}  // namespace modeldiff
