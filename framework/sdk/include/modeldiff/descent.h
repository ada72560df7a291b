#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "modeldiff/algorithm.h"
#include "modeldiff/data_change.h"
#include "modeldiff/objective.h"

/// Plain gradient descent whose batches and rates are known beforehand, so that the same run can be
/// repeated on changed data: w <- (1 - eta lambda) w - eta g, g the mean gradient of the batch.
/// Weights are float64, gradients of the precision of the objective.
namespace modeldiff {

/// What is kept of the gradients of a run: as they are, in half the bytes (the rounding of a step is
/// carried into the next), or nothing.
enum class TrajectoryForm { exact, bfloat16, none };

template <>
struct Choices<TrajectoryForm> {
  static constexpr std::pair<TrajectoryForm, const char*> names[] = {
      {TrajectoryForm::exact, "exact"},
      {TrajectoryForm::bfloat16, "bfloat16"},
      {TrajectoryForm::none, "none"}};
};

/// All that fixes a run, but data and first weights.
struct MODELDIFF_API DescentPlan {
  /// Rows of the training set that the first run was made on, ascending: the order of its batches
  /// is an order of these.
  std::vector<std::int32_t> rows;
  /// What changes since then have taken out of `rows` and put in, ascending.
  std::vector<std::int32_t> left, joined;
  std::uint64_t seed = 0;
  /// Rows of a step; 0: all of them.
  std::int64_t batch = 0;
  /// eta of each step
  std::vector<double> rates;
  /// lambda, of all parameters
  double weight_decay = 0;
  Precision precision = Precision::float32;

  std::int64_t steps() const { return static_cast<std::int64_t>(rates.size()); }
  /// The rows that are trained on, ascending.
  std::vector<std::int32_t> live_rows() const;
  /// The plan of the run on changed data.
  DescentPlan after(const DataChange& change) const;
  /// Gradients of rows that the run computes.
  double gradients() const;
  std::int64_t steps_per_epoch() const {
    const auto n = static_cast<std::int64_t>(rows.size());
    return batch == 0 ? 1 : (n + batch - 1) / batch;
  }
};

/// The rows of one step before and after a change of the data.
struct StepRows {
  /// B_t: of the run as it was.
  RowSpan before;
  /// R_t and A_t: what leaves and what enters, a relabelled row both.
  RowSpan removed, added;
  /// What the run on the changed data takes: B_t less R_t, and A_t.
  RowSpan after;
};

/// The batches of a plan, step by step. The order of an epoch is drawn from (seed, "order", epoch);
/// each row that is added joins one batch of each epoch, drawn from (seed, "join", epoch, row).
class MODELDIFF_API Batches {
 public:
  Batches(const DescentPlan& plan, const DataChange& change);
  /// The rows of a step; spans hold until the next call. Quickest in the order of the steps.
  StepRows at(std::int64_t step);

 private:
  void begin_epoch(std::int64_t epoch);
  std::vector<std::vector<std::int32_t>> joining(const std::vector<std::int32_t>& rows) const;

  const DescentPlan& plan_;
  const DataChange& change_;
  std::vector<bool> gone_, leaves_;  // by row: before the change, with it
  std::int64_t epoch_ = -1;
  std::vector<std::int32_t> order_;
  std::vector<std::vector<std::int32_t>> joined_, joining_;  // by batch of the epoch
  std::vector<std::int32_t> before_, removed_, added_, after_;
  std::int64_t step_ = -1;
};

/// (1 - eta lambda) w - eta g, in place: what training does, and what rebuilds it from its
/// gradients, bit for bit. @param w [p] float64 @param g [p] as it is kept
MODELDIFF_API void descent_step(at::Tensor& w, double rate, double weight_decay,
                                const at::Tensor& g);

/// A run that was made, as another algorithm finds it.
struct Trajectory {
  DescentPlan plan;
  at::Tensor initial;  // [p] float64
  /// [T, p] of the plan's precision or bfloat16: g_t, the mean gradient of the data alone; undefined
  /// when the run did not keep them.
  at::Tensor gradients;
  /// Of the training set: the run is worth nothing on another.
  std::string data_digest;
};

/// What a run leaves behind for those that start from it.
MODELDIFF_API void leave_trajectory(const Trajectory& trajectory, TrainedRun& run);
/// @throws ConfigError when the run was not made by plain gradient descent, saying why that is
///         needed; DataError when its training set is another than `train`
MODELDIFF_API Trajectory read_trajectory(const InputRun& run, const Examples& train);
/// SHA-256 of the inputs and targets of the rows that a plan has or had.
MODELDIFF_API std::string training_set_digest(const Examples& train, const DescentPlan& plan);

/// Keeps the checkpoints that a request asks for: of C in T steps, i = 1..C is after floor(i T / C).
class MODELDIFF_API CheckpointKeeper {
 public:
  /// @throws ConfigError when there are fewer steps than checkpoints
  /// @param rates of the steps that are made
  CheckpointKeeper(const CheckpointRequest& request, std::vector<double> rates);
  /// @param w [p] float64, after `step`, counted from 0
  void after(std::int64_t step, const at::Tensor& w);
  std::vector<Checkpoint> take() { return std::move(checkpoints_); }

 private:
  std::int64_t count_;
  std::vector<double> rates_;
  double rate_sum_ = 0;
  std::vector<Checkpoint> checkpoints_;
};

/// How a descent ended.
struct Descent {
  at::Tensor w;                // [p] float64
  at::Tensor gradients;        // [T, p], when they are kept; see Trajectory
  std::vector<double> losses;  // of each step, mean over its rows, without the penalty
};

struct DescentRequest {
  const Objective& objective;
  const DescentPlan& plan;
  const DataChange& change;
  const at::Tensor& initial;  // [p] float64
  /// The first step that is made, from `initial`; those before are taken as done.
  std::int64_t begin = 0;
  TrajectoryForm keep = TrajectoryForm::none;
  /// For messages.
  std::string label = {};
  /// Called after each step with its number, from 0, and the weights.
  std::function<void(std::int64_t step, const at::Tensor& w)> after = {};
};

/// @param losses of each step, or empty
MODELDIFF_API TrainedRun trained_run(const DescentPlan& plan, const at::Tensor& w,
                                     const std::vector<double>& losses,
                                     std::vector<Checkpoint> checkpoints);

/// Trains on the changed data. A step that has lost all its rows is skipped.
/// @throws NumericalError naming the step when the loss is not finite
MODELDIFF_API Descent descend(const DescentRequest& request);

/// Bytes of one number of a trajectory.
MODELDIFF_API double trajectory_number_bytes(TrajectoryForm form, Precision precision);

/// Bytes that a descent on these data needs, without its trajectory.
MODELDIFF_API double descent_memory_bytes(const Predictor& predictor, const DataFacts& facts,
                                          std::int64_t examples);

}  // namespace modeldiff
