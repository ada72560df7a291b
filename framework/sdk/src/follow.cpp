#include "modeldiff/follow.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <utility>

#include "modeldiff/core/error.h"
#include "modeldiff/measurement.h"

namespace modeldiff {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

void leave_change(const DataChange& change, TrainedRun& run) {
  const auto leave = [&](const char* name, const std::vector<std::int32_t>& rows) {
    if (!rows.empty()) run.tensors[name] = at::tensor(rows, at::kInt);
  };
  leave("change.removed", change.removed);
  leave("change.added", change.added);
  leave("change.relabelled", change.relabelled);
}

/// All that changed in a stream, and the mean over its requests of what they say of their work.
class Stream {
 public:
  void add(const DataChange& change, const FollowResult& result) {
    const auto append = [](std::vector<std::int32_t>& all, const std::vector<std::int32_t>& more) {
      all.insert(all.end(), more.begin(), more.end());
      std::sort(all.begin(), all.end());
    };
    append(all_.removed, change.removed);
    append(all_.added, change.added);
    append(all_.relabelled, change.relabelled);
    weights_.push_back(result.w.to(at::kFloat));
    if (const auto work = result.run.facts.find("work"); work != result.run.facts.end()) {
      for (const auto& [name, value] : work->items())
        if (value.is_number()) sums_[name] += value.get<double>();
    }
  }

  void leave(TrainedRun& run) const {
    leave_change(all_, run);
    run.tensors["stream.weights"] = at::stack(weights_);
    Json work = Json::object();
    for (const auto& [name, sum] : sums_) work[name] = sum / static_cast<double>(weights_.size());
    run.facts["requests"] = weights_.size();
    run.facts["work"] = work;
  }

 private:
  DataChange all_;
  std::vector<at::Tensor> weights_;
  std::map<std::string, double> sums_;
};

}  // namespace

/// The runs of one call, and what they follow, each read once.
class FollowingAlgorithm::Session {
 public:
  Session(const FollowingAlgorithm& algorithm, const TrainRequest& request)
      : algorithm_(algorithm),
        asked_(algorithm.asked_),
        request_(request),
        pulse_(request.progress, request.runs.size()) {}

  void run() {
    const std::size_t count = request_.runs.size();
    for (std::size_t begin = 0; begin < count;) {
      std::size_t end = begin + 1;
      const auto most = begin + static_cast<std::size_t>(asked_.at_once);
      while (end < std::min(count, most) && identity(end) == identity(begin)) ++end;
      if (asked_.requests > 1) {
        make_stream(begin);
      } else {
        make_together(begin, end);
      }
      begin = end;
    }
  }

 private:
  /// A run that is followed, as changes leave it.
  struct State {
    Trajectory trajectory;
    at::Tensor w;    // [p] float64
    Examples train;  // with the labels of the changes so far
    std::shared_ptr<const Objective> objective;
    double load_seconds = 0;
  };

  const InputRun& input(std::size_t r) const {
    return request_.inputs[r].at(asked_.from.name).front();
  }
  /// What the followed run says of itself, its seed among it.
  std::string identity(std::size_t r) const { return canonical_text(input(r).facts); }

  const State& followed(std::size_t r) {
    const auto [at, is_new] = states_.try_emplace(identity(r));
    State& state = at->second;
    if (!is_new) return state;
    const auto begin = Clock::now();
    state.trajectory = read_trajectory(input(r), request_.train);
    state.w = input(r).weights.parameters.to(at::kDouble);
    state.train = request_.train;
    if (algorithm_.needs_gradients()) {
      if (!state.trajectory.gradients.defined()) {
        throw ConfigError(
            "from", "names a run that did not keep its gradients; give it `trajectory: exact`");
      }
      state.trajectory.gradients.sum();  // read now what is mapped, so that its time is told
    }
    state.load_seconds = seconds_since(begin);
    state.objective = objective_of(r, state);
    return state;
  }

  /// The losses before the change: the same for all runs, as they are of one algorithm.
  const std::shared_ptr<const Objective>& objective_of(std::size_t r, const State& state) {
    if (!objective_) {
      const auto begin = Clock::now();
      objective_ = make_objective(input(r).predictor, request_.facts, request_.train,
                                  state.trajectory.plan.precision);
      prepare_seconds_ = seconds_since(begin);
    }
    return objective_;
  }

  /// @param number of the part that selections which vary take
  DataChange change_of(const ChangeParams& change, const State& state, std::size_t r,
                       std::int64_t number) const {
    const RowLosses losses = [&](const std::vector<std::int32_t>& rows) {
      const Examples some = state.train.select(at::tensor(rows, at::kLong));
      const Weights weights{state.w.to(at::kFloat), {}};
      return -measure(Measurement::loss, input(r).predictor.outputs(weights, some.inputs),
                      some.targets);
    };
    return draw_change(change, request_.facts, state.train, state.trajectory.plan.live_rows(),
                       number, losses);
  }

  Followed followed_of(std::size_t r, const State& state, const DataChange& change,
                       const Objective& after) {
    return {.run = request_.runs[r],
            .trajectory = state.trajectory,
            .w = state.w,
            .change = change,
            .before = *state.objective,
            .after = after,
            .keep = request_.keep,
            .wants_gradients = asked_.leave_trajectory,
            .beat = [this](double share) { pulse_.beat(share); }};
  }

  static std::shared_ptr<const Objective> after(const State& state, const DataChange& change) {
    return change.targets.defined() ? state.objective->with_targets(change.targets)
                                    : state.objective;
  }

  void make_together(std::size_t begin, std::size_t end) {
    pulse_.begin_run(begin, request_.runs[begin].label);
    const State& state = followed(begin);
    std::vector<DataChange> changes;
    std::vector<std::shared_ptr<const Objective>> objectives;
    for (std::size_t r = begin; r < end; ++r) {
      changes.push_back(change_of(asked_.change, state, r, request_.runs[r].index));
      objectives.push_back(after(state, changes.back()));
    }
    std::vector<Followed> all;
    for (std::size_t r = begin; r < end; ++r)
      all.push_back(followed_of(r, state, changes[r - begin], *objectives[r - begin]));
    const auto start = Clock::now();
    std::vector<FollowResult> results = algorithm_.follow_together(all);
    const double seconds = seconds_since(start) / static_cast<double>(all.size());
    for (std::size_t r = begin; r < end; ++r) {
      FollowResult& result = results[r - begin];
      const DataChange& change = changes[r - begin];
      leave_change(change, result.run);
      if (asked_.leave_trajectory) {
        leave(continued(state, change, result), change.targets.defined(), result.run);
      }
      finish(r, state, seconds, std::move(result.run));
    }
  }

  /// The run with its gradients after a change.
  static Trajectory continued(const State& state, const DataChange& change,
                              const FollowResult& result) {
    Trajectory out = state.trajectory;
    out.plan = state.trajectory.plan.after(change);
    out.gradients = result.gradients;
    return out;
  }

  void leave(Trajectory trajectory, bool relabelled, TrainedRun& run) const {
    if (relabelled) {
      throw ConfigError("trajectory",
                        "of rows with new labels cannot be left: the data set has the old ones; "
                        "make all changes in one stream with `requests`");
    }
    trajectory.data_digest = training_set_digest(request_.train, trajectory.plan);
    leave_trajectory(trajectory, run);
  }

  /// Changes one after the other; request i takes the i-th part of the random order.
  void make_stream(std::size_t r) {
    pulse_.begin_run(r, request_.runs[r].label);
    State state = followed(r);
    ChangeParams change = asked_.change;
    for (std::optional<RowSelection>* selection : {&change.remove, &change.add, &change.relabel})
      if (*selection) (*selection)->vary = (*selection)->by == RowsBy::chance;
    Stream stream;
    FollowResult result;
    double seconds = 0;
    for (std::int64_t i = 0; i < asked_.requests; ++i) {
      const DataChange drawn = change_of(change, state, r, i);
      const std::shared_ptr<const Objective> changed = after(state, drawn);
      Followed request = followed_of(r, state, drawn, *changed);
      request.request = i;
      request.wants_gradients |= i + 1 < asked_.requests;
      const auto share_before = static_cast<double>(i);
      request.beat = [&](double share) {
        pulse_.beat((share_before + share) / static_cast<double>(asked_.requests));
      };
      const auto start = Clock::now();
      result = algorithm_.follow(request);
      seconds += seconds_since(start);
      stream.add(drawn, result);
      state.trajectory = continued(state, drawn, result);
      state.w = result.w;
      state.objective = changed;
      if (drawn.targets.defined()) state.train.targets = drawn.targets;
    }
    stream.leave(result.run);
    if (asked_.leave_trajectory)
      leave(state.trajectory, asked_.change.relabel.has_value(), result.run);
    finish(r, state, seconds, std::move(result.run));
  }

  void finish(std::size_t r, const State& state, double seconds, TrainedRun run) {
    run.seconds = {{"load", state.load_seconds}, {"prepare", prepare_seconds_}, {"work", seconds}};
    request_.done(r, std::move(run));
  }

  const FollowingAlgorithm& algorithm_;
  const FollowRequest& asked_;
  const TrainRequest& request_;
  Pulse pulse_;
  std::map<std::string, State> states_;  // by identity
  std::shared_ptr<const Objective> objective_;
  double prepare_seconds_ = 0;
};

FollowingAlgorithm::FollowingAlgorithm(FollowRequest request) : asked_(std::move(request)) {}

FollowingAlgorithm::~FollowingAlgorithm() = default;

Predictor FollowingAlgorithm::predictor(const DataFacts&, const InputRuns& inputs,
                                        const PluginFactory&) const {
  return inputs.at(asked_.from.name).front().predictor;
}

void FollowingAlgorithm::train(const TrainRequest& request) const { Session(*this, request).run(); }

std::vector<FollowResult> FollowingAlgorithm::follow_together(
    std::span<const Followed> followed) const {
  std::vector<FollowResult> out;
  for (const Followed& one : followed) out.push_back(follow(one));
  return out;
}

double FollowingAlgorithm::memory_bytes(const DataFacts& facts, const InputRuns& inputs,
                                        std::int64_t examples, const PluginFactory& plugins) const {
  return descent_memory_bytes(predictor(facts, inputs, plugins), facts, examples);
}

}  // namespace modeldiff
