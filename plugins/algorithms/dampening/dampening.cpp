#include <ATen/ATen.h>

#include "dampen.h"
#include "dampening_params.h"
#include "modeldiff/core/error.h"
#include "modeldiff/follow.h"
#include "modeldiff/plugin.h"

namespace modeldiff {
namespace {

/// Forgets rows without any training: weights that matter to them much more than to all data are
/// made smaller. There is no retrained model that it aims at: judge it by what it forgets and keeps.
class Dampening final : public FollowingAlgorithm {
 public:
  explicit Dampening(DampeningParams params)
      : FollowingAlgorithm({params.from, params.change}), params_(std::move(params)) {
    if (params_.change.add || params_.change.relabel)
      throw ConfigError("change", "can only delete: dampening forgets and learns nothing");
  }

 private:
  bool needs_gradients() const override { return false; }

  FollowResult follow(const Followed& followed) const override {
    const DescentPlan& plan = followed.trajectory.plan;
    const auto importance_of = [&](RowSpan rows) {
      return dampening::importance(followed.before, followed.w, rows, params_.batch);
    };
    const std::vector<std::int32_t> rows = plan.live_rows();
    at::Tensor w = followed.w.clone();
    const std::int64_t count =
        dampening::dampen(w, importance_of(rows), importance_of(followed.change.removed),
                          params_.selection, params_.strength);
    TrainedRun out;
    out.weights.parameters = w.to(at::kFloat);
    const auto gradients = static_cast<double>(rows.size() + followed.change.removed.size());
    out.facts["work"] = {{"dampened", count}, {"work_share", gradients / plan.gradients()}};
    return {std::move(out), w, {}};
  }

  DampeningParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("algorithms", "dampening", "1.0",
                 "Weights that matter most to deleted rows are made smaller (SSD)", Dampening,
                 DampeningParams, kFollowsTrajectory)

}  // namespace modeldiff
