#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "modeldiff/core/plugin.h"
#include "modeldiff/dataset.h"
#include "modeldiff/model.h"

namespace modeldiff {

class PluginFactory;

/// One training run to make: a pure function of (algorithm, data, subset, seed).
struct RunSpec {
  std::uint64_t seed = 0;
  /// [k] int64, rows of the training set that are kept, ascending; undefined: all.
  at::Tensor subset;
  /// For messages: "algorithm A, run 3".
  std::string label;
  /// Its number among the runs of its role.
  std::int64_t index = 0;
};

/// State at the end of a step.
struct Checkpoint {
  std::int64_t step = 0;  // steps done
  Weights weights;
  /// "momentum" [p]; or "first_moment", "second_moment" [p]. Empty unless asked for.
  TensorMap optimizer;
  /// Sum of the learning rates of the steps since the previous checkpoint (or the start).
  double learning_rate_sum = 0;
};

struct CheckpointRequest {
  /// Evenly spaced checkpoints to keep, the last at the end of training. 0: only the final weights.
  std::int64_t count = 0;
  bool optimizer_state = false;
};

struct TrainedRun {
  Weights weights;
  std::vector<Checkpoint> checkpoints;
  /// Mean training loss of each epoch.
  std::vector<double> epoch_loss;
  std::int64_t steps = 0;
  /// What else the algorithm has to say; no times, no places: the same run gives the same bytes.
  Json facts = Json::object();
  /// What it leaves behind for algorithms that start from it, and for evaluations.
  TensorMap tensors;
  /// What parts of the work took, by name. No part of the artifact: they go into the store's log.
  std::map<std::string, double> seconds;
};

/// A run that another algorithm made, as `init: {from: ...}` or a merge needs it.
struct InputRun {
  Predictor predictor;
  Weights weights;
  std::vector<Checkpoint> checkpoints;
  Json facts = Json::object();
  /// Mapped from the store, not read until used.
  TensorMap tensors;
};

/// The runs that an algorithm's references name, by the name of the referenced algorithm, in the
/// order of their indices.
using InputRuns = std::map<std::string, std::vector<InputRun>>;

/// What a long computation tells and asks.
class MODELDIFF_API Progress {
 public:
  virtual ~Progress();
  /// @param share done, in [0, 1]
  virtual void update(double share, const std::string& what) = 0;
  /// @throws Interrupted once the user has asked to stop
  virtual void check_stop() const = 0;
};

/// Passes on what is done and asks whether to stop, at most every 50 ms.
class MODELDIFF_API Pulse {
 public:
  Pulse(Progress& progress, std::size_t runs) : progress_(progress), runs_(runs) {}

  void begin_run(std::size_t run, const std::string& label);
  /// @param share of the current run that is done
  /// @throws Interrupted once the user has asked to stop
  void beat(double share);

 private:
  Progress& progress_;
  std::size_t runs_;
  std::size_t run_ = 0;
  std::string label_;
  std::chrono::steady_clock::time_point last_{};
};

struct TrainRequest {
  const DataFacts& facts;
  const Examples& train;
  std::span<const RunSpec> runs;
  /// For runs[i], the runs its references name.
  std::span<const InputRuns> inputs;
  CheckpointRequest keep;
  const PluginFactory& plugins;
  /// Where the files are that parameters name.
  const Resources& resources;
  Progress& progress;
  /// Called once for each run, in any order.
  std::function<void(std::size_t run, TrainedRun result)> done;
};

/// Plugin kind `algorithms`: data -> trained model. The map of a run must not depend on which other
/// runs are made beside it.
class MODELDIFF_API LearningAlgorithm : public Plugin {
 public:
  ~LearningAlgorithm() override;
  /// The model and input view of the runs.
  /// @param inputs the runs that references name; may be consulted, e.g. by a merge. Before anything
  ///               is trained their predictors alone are there.
  virtual Predictor predictor(const DataFacts& facts, const InputRuns& inputs,
                              const PluginFactory& plugins) const = 0;
  /// @throws NumericalError when the loss is not finite, naming run, epoch and step
  virtual void train(const TrainRequest& request) const = 0;
  /// Bytes of memory that train() needs at its peak beyond the data, for `runs_at_once` runs.
  /// @param inputs as for predictor()
  virtual double memory_bytes(const DataFacts& facts, const InputRuns& inputs,
                              std::int64_t examples, const PluginFactory& plugins) const = 0;
};

}  // namespace modeldiff
