#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "modeldiff/algorithm.h"
#include "modeldiff/data_change.h"
#include "modeldiff/descent.h"

/// Learning algorithms that start from a run of plain gradient descent and change its data.
namespace modeldiff {

/// Traits of plugins that start from such a run, for the check of an experiment file.
inline constexpr const char* kFollowsTrajectory = R"({
  "inputs": "sparse",
  "follows": "trajectory",
  "because": "the run is repeated step by step, so that a step must depend on the weights and the rows of its batch alone, which momentum, Adam, dropout, batch norm and augmentation do not leave"
})";
/// ... and can leave one themselves.
inline constexpr const char* kFollowsAndLeavesTrajectory = R"({
  "inputs": "sparse",
  "follows": "trajectory",
  "leaves": "trajectory",
  "because": "the run is repeated step by step, so that a step must depend on the weights and the rows of its batch alone, which momentum, Adam, dropout, batch norm and augmentation do not leave"
})";

/// One run that is followed, and what is asked of it.
struct Followed {
  const RunSpec& run;
  const Trajectory& trajectory;
  at::Tensor w;  // [p] float64, where the run ended
  const DataChange& change;
  /// On the data before and after the change; they differ where rows are relabelled.
  const Objective& before;
  const Objective& after;
  CheckpointRequest keep;
  /// Its number in a stream of changes, from 0.
  std::int64_t request = 0;
  /// Whether the gradients of the run on changed data are wanted.
  bool wants_gradients = false;
  /// Tells the share that is done and asks whether to stop.
  std::function<void(double share)> beat;
};

struct FollowResult {
  TrainedRun run;
  at::Tensor w;  // [p] float64
  /// [T, p], of those that were wanted: g_t of the run on changed data, as well as it is known.
  at::Tensor gradients;
};

/// What such an algorithm is asked for.
struct FollowRequest {
  /// The algorithm whose runs are followed, under the key `from`.
  Reference from;
  ChangeParams change;
  /// Changes that are made one after the other, each on what the one before left.
  std::int64_t requests = 1;
  /// Leave the trajectory on the changed data.
  bool leave_trajectory = false;
  /// Runs of one trajectory that are made together.
  std::int64_t at_once = 1;
};

/// What such algorithms share: the run, its data, the change. A run leaves the rows of its change
/// for evaluations: tensors `change.removed`, `change.added`, `change.relabelled` [k] int32, those
/// that are not empty; and of a stream `stream.weights` [requests, p] float32, after each request.
/// Seconds are told of `load` (the trajectory), `prepare` (the data) and `work`.
class MODELDIFF_API FollowingAlgorithm : public LearningAlgorithm {
 public:
  explicit FollowingAlgorithm(FollowRequest request);
  ~FollowingAlgorithm() override;

  Predictor predictor(const DataFacts& facts, const InputRuns& inputs,
                      const PluginFactory& plugins) const final;
  void train(const TrainRequest& request) const final;
  double memory_bytes(const DataFacts& facts, const InputRuns& inputs, std::int64_t examples,
                      const PluginFactory& plugins) const override;

 protected:
  virtual FollowResult follow(const Followed& followed) const = 0;
  /// Independent changes of one trajectory. What comes of one does not depend on the others.
  virtual std::vector<FollowResult> follow_together(std::span<const Followed> followed) const;
  /// Whether the gradients of the run's steps are read.
  virtual bool needs_gradients() const = 0;
  const FollowRequest& asked() const { return asked_; }

 private:
  class Session;
  FollowRequest asked_;
};

}  // namespace modeldiff
