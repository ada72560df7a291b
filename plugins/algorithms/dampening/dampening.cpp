#include <ATen/ATen.h>

#include "dampen.h"
#include "dampening_params.h"
#include "modeldiff/core/error.h"
#include "modeldiff/descent.h"
#include "modeldiff/plugin.h"

namespace modeldiff {
namespace {

/// Forgets rows without any training: weights that matter to them much more than to all data are
/// made smaller. There is no retrained model that it aims at: judge it by what it forgets and keeps.
class Dampening final : public LearningAlgorithm {
 public:
  explicit Dampening(DampeningParams params) : params_(std::move(params)) {
    if (params_.change.add || params_.change.relabel)
      throw ConfigError("change", "can only delete: dampening forgets and learns nothing");
  }

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
      at::Tensor w =
          request.inputs[r].at(params_.from.name).front().weights.parameters.to(at::kDouble);
      const at::Tensor all = dampening::importance(*run.objective, w, plan.rows, params_.batch);
      const at::Tensor forgotten =
          dampening::importance(*run.objective, w, change.removed, params_.batch);
      const std::int64_t count =
          dampening::dampen(w, all, forgotten, params_.selection, params_.strength);
      TrainedRun out;
      out.weights.parameters = w.to(at::kFloat);
      const auto rows = static_cast<double>(plan.rows.size() + change.removed.size());
      out.facts["work"] = {{"dampened", count}, {"work_share", rows / plan.gradients()}};
      leave_change(change, out);
      request.done(r, std::move(out));
    }
  }

  double memory_bytes(const DataFacts& facts, const InputRuns& inputs, std::int64_t examples,
                      const PluginFactory& plugins) const override {
    return descent_memory_bytes(predictor(facts, inputs, plugins), facts, examples);
  }

 private:
  DampeningParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("algorithms", "dampening", "1.0",
                 "Weights that matter most to deleted rows are made smaller (SSD)", Dampening,
                 DampeningParams, kFollowsTrajectory)

}  // namespace modeldiff
