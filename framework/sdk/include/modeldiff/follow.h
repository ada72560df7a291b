#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "modeldiff/algorithm.h"
#include "modeldiff/data_change.h"
#include "modeldiff/descent.h"

/// Learning algorithms that start from a run of plain gradient descent and change its data.
namespace modeldiff {

/// Traits of plugins that start from such a run, for the check of an experiment file.
inline constexpr const char* kFollowsTrajectory = R"({
  "follows": "trajectory",
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
  /// Tells the share that is done and asks whether to stop.
  std::function<void(double share)> beat;
};

/// What such algorithms share: the run, its data, the change. A run leaves the rows of its change
/// for evaluations: tensors `change.removed`, `change.added`, `change.relabelled` [k] int32, those
/// that are not empty.
class MODELDIFF_API FollowingAlgorithm : public LearningAlgorithm {
 public:
  /// @param from the algorithm whose runs are followed, under the key `from`
  FollowingAlgorithm(Reference from, ChangeParams change);
  ~FollowingAlgorithm() override;

  Predictor predictor(const DataFacts& facts, const InputRuns& inputs,
                      const PluginFactory& plugins) const final;
  void train(const TrainRequest& request) const final;
  double memory_bytes(const DataFacts& facts, const InputRuns& inputs, std::int64_t examples,
                      const PluginFactory& plugins) const override;

 protected:
  virtual TrainedRun follow(const Followed& followed) const = 0;
  /// Whether the gradients of the run's steps are read.
  virtual bool needs_gradients() const = 0;

 private:
  Reference from_;
  ChangeParams change_;
};

}  // namespace modeldiff
