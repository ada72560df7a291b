#include <ATen/ATen.h>

#include <deque>

#include "delta_descent.h"
#include "deltagrad_params.h"
#include "modeldiff/core/error.h"
#include "modeldiff/follow.h"
#include "modeldiff/plugin.h"

namespace modeldiff {
namespace {

using deltagrad::DeltaReport;

double mean_error(const DeltaReport& report) {
  double sum = 0;
  for (const auto& [step, error] : report.audits) sum += error;
  return report.audits.empty() ? 0 : sum / static_cast<double>(report.audits.size());
}

Json work_of(const DeltaReport& report, const DescentPlan& plan) {
  Json audits = Json::array();
  for (const auto& [step, error] : report.audits)
    audits.push_back({{"step", step}, {"error", error}});
  Json out{{"exact_steps", report.exact_steps},
           {"approximate_steps", report.approximate_steps},
           {"fallbacks", report.fallbacks},
           {"refused_pairs", report.refused_pairs},
           {"work_share", static_cast<double>(report.rows) / plan.gradients()},
           {"stiffness", report.stiffness},
           {"audits", audits}};
  if (!report.audits.empty()) out["audit_error"] = mean_error(report);
  return out;
}

/// Approximate retraining from the trajectory of a run.
class DeltaGrad final : public FollowingAlgorithm {
 public:
  explicit DeltaGrad(DeltaGradParams params)
      : FollowingAlgorithm(
            {params.from, params.change, params.requests, params.trajectory, params.at_once}),
        params_(std::move(params)) {
    const auto refuse = [](const char* path, const char* why) { throw ConfigError(path, why); };
    if (params_.requests > 1 && params_.at_once > 1)
      refuse("at_once", "is for independent changes, and those of a stream follow each other");
    if (params_.requests == 1 && (params_.refresh.every > 0 || params_.refresh.above > 0))
      refuse("refresh", "is for a stream of changes; say how many with `requests`");
    if (params_.refresh.above > 0 && params_.audits == 0)
      refuse("refresh.above", "goes by the errors that audits find; say how many with `audits`");
  }

  double memory_bytes(const DataFacts& facts, const InputRuns& inputs, std::int64_t examples,
                      const PluginFactory& plugins) const override {
    const Predictor model = predictor(facts, inputs, plugins);
    // Both vectors of a pair, and the basis that is made of them; the sums of a pass.
    constexpr double kPassParts = 16;
    const double vectors = 4.0 * static_cast<double>(params_.pairs) + kPassParts;
    return 8 * vectors * static_cast<double>(params_.at_once) *
               static_cast<double>(model.model->parameters().count()) +
           FollowingAlgorithm::memory_bytes(facts, inputs, examples, plugins);
  }

 private:
  bool needs_gradients() const override { return true; }

  FollowResult follow(const Followed& followed) const override {
    FollowResult out = std::move(follow_together({&followed, 1}).front());
    Json& work = out.run.facts["work"];
    const bool due =
        params_.refresh.every > 0 && (followed.request + 1) % params_.refresh.every == 0;
    const bool strayed =
        params_.refresh.above > 0 && work.value("audit_error", 0.0) > params_.refresh.above;
    if (params_.requests > 1) work["refreshes"] = due || strayed ? 1 : 0;
    if (due || strayed) refresh(followed, out);
    return out;
  }

  std::vector<FollowResult> follow_together(std::span<const Followed> followed) const override {
    const DescentPlan& plan = followed.front().trajectory.plan;
    std::deque<CheckpointKeeper> checkpoints;
    std::vector<deltagrad::DeltaRequest> requests;
    for (const Followed& one : followed) {
      CheckpointKeeper& keeper = checkpoints.emplace_back(one.keep, plan.rates);
      requests.push_back(
          {.before = one.before,
           .after = one.after,
           .trajectory = one.trajectory,
           .end = one.w,
           .change = one.change,
           .params = params_,
           .label = one.run.label,
           .keep_gradients = one.wants_gradients,
           .on_step = [&keeper, &one, &plan](std::int64_t step, const at::Tensor& w) {
             keeper.after(step, w);
             one.beat(static_cast<double>(step + 1) / static_cast<double>(plan.steps()));
           }});
    }
    std::vector<FollowResult> out;
    for (deltagrad::DeltaResult& result : deltagrad::delta_descend_together(requests)) {
      TrainedRun run = trained_run(plan, result.w, {}, checkpoints[out.size()].take());
      run.facts["work"] = work_of(result.report, plan);
      out.push_back({std::move(run), result.w, result.gradients});
    }
    return out;
  }

  /// Puts the run on the changed data itself in place of its approximation.
  static void refresh(const Followed& followed, FollowResult& out) {
    const DescentPlan& plan = followed.trajectory.plan;
    const Descent exact =
        descend({.objective = followed.after,
                 .plan = plan,
                 .change = followed.change,
                 .initial = followed.trajectory.initial,
                 .keep = TrajectoryForm::exact,
                 .label = followed.run.label,
                 .after = [&](std::int64_t, const at::Tensor&) { followed.beat(1); }});
    out.w = exact.w;
    out.gradients = exact.gradients;
    out.run.weights.parameters = exact.w.to(at::kFloat);
    Json& work = out.run.facts["work"];
    work["work_share"] = work.at("work_share").get<double>() + 1;
  }

  DeltaGradParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("algorithms", "deltagrad", "1.0",
                 "Rapid retraining on changed data from a trajectory (Wu et al. 2020)", DeltaGrad,
                 DeltaGradParams, kFollowsAndLeavesTrajectory)

}  // namespace modeldiff
