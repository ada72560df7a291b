#include "modeldiff/follow.h"

#include <ATen/ATen.h>

#include <map>
#include <string>
#include <utility>

#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

/// The runs that a request's reference names, each read once for all that follow it.
class FollowedRuns {
 public:
  struct Entry {
    Trajectory trajectory;
    at::Tensor w;
  };

  FollowedRuns(const TrainRequest& request, const Reference& reference)
      : request_(request), name_(reference.name) {}

  const Entry& of(std::size_t r) {
    const InputRun& run = request_.inputs[r].at(name_).front();
    const auto [at, is_new] = entries_.try_emplace(canonical_text(run.facts));
    if (is_new) {
      at->second = {read_trajectory(run, request_.train), run.weights.parameters.to(at::kDouble)};
    }
    return at->second;
  }

  /// The losses before the change: the same for all runs, as they are of one algorithm.
  const std::shared_ptr<const Objective>& objective(std::size_t r) {
    if (!objective_) {
      objective_ = make_objective(request_.inputs[r].at(name_).front().predictor, request_.facts,
                                  request_.train, of(r).trajectory.plan.precision);
    }
    return objective_;
  }

 private:
  const TrainRequest& request_;
  std::string name_;
  std::map<std::string, Entry> entries_;  // by what the run says of itself, its seed among it
  std::shared_ptr<const Objective> objective_;
};

void leave_change(const DataChange& change, TrainedRun& run) {
  const auto leave = [&](const char* name, const std::vector<std::int32_t>& rows) {
    if (!rows.empty()) run.tensors[name] = at::tensor(rows, at::kInt);
  };
  leave("change.removed", change.removed);
  leave("change.added", change.added);
  leave("change.relabelled", change.relabelled);
}

}  // namespace

FollowingAlgorithm::FollowingAlgorithm(Reference from, ChangeParams change)
    : from_(std::move(from)), change_(std::move(change)) {}

FollowingAlgorithm::~FollowingAlgorithm() = default;

Predictor FollowingAlgorithm::predictor(const DataFacts&, const InputRuns& inputs,
                                        const PluginFactory&) const {
  return inputs.at(from_.name).front().predictor;
}

void FollowingAlgorithm::train(const TrainRequest& request) const {
  Pulse pulse(request.progress, request.runs.size());
  FollowedRuns followed(request, from_);
  for (std::size_t r = 0; r < request.runs.size(); ++r) {
    const RunSpec& run = request.runs[r];
    pulse.begin_run(r, run.label);
    const auto& [trajectory, w] = followed.of(r);
    if (needs_gradients() && !trajectory.gradients.defined()) {
      throw ConfigError("from",
                        "names a run that did not keep its gradients; give it `trajectory: true`");
    }
    const DataChange change =
        draw_change(change_, request.facts, request.train, trajectory.plan.rows, run.index);
    const std::shared_ptr<const Objective> before = followed.objective(r);
    const auto after = change.targets.defined() ? before->with_targets(change.targets) : before;
    TrainedRun out = follow({run, trajectory, w, change, *before, *after, request.keep,
                             [&](double share) { pulse.beat(share); }});
    leave_change(change, out);
    request.done(r, std::move(out));
  }
}

double FollowingAlgorithm::memory_bytes(const DataFacts& facts, const InputRuns& inputs,
                                        std::int64_t examples, const PluginFactory& plugins) const {
  return descent_memory_bytes(predictor(facts, inputs, plugins), facts, examples);
}

}  // namespace modeldiff
