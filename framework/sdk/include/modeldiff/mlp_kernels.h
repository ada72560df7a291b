#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "modeldiff/core/api.h"

// Training and evaluation of one small multilayer perceptron on one thread, without torch.
//
// All of one model (weights, batch, activations, gradients, optimiser state) stays in the L1 and L2
// caches, so that many models are trained side by side as one call a thread. The result of a call
// depends on its arguments and the instruction set alone: the same call gives the same bits,
// whatever other threads do.

namespace modeldiff {

/// Fully connected layers with a ReLU between them and none at the end: z = W_L relu(... W_1 x +
/// b_1) + b_L. Parameters are one flat float32 vector: for each layer W [out, in] row by row, then
/// b [out]; the order of torch::nn::Sequential(Linear, ReLU, Linear, ...)->parameters().
struct MlpShape {
  /// Inputs, hidden widths, outputs. Two entries are a linear model. Each at least 1.
  std::vector<std::int64_t> widths;

  std::int64_t inputs() const { return widths.front(); }
  std::int64_t outputs() const { return widths.back(); }
  std::int64_t layers() const { return static_cast<std::int64_t>(widths.size()) - 1; }
  MODELDIFF_API std::int64_t parameter_count() const;
};

/// Softmax cross-entropy in nats, mean over the batch, against (1 - s) onehot(label) + s / classes.
struct MlpCrossEntropy {
  std::span<const std::int64_t> labels;  ///< [n], each in [0, outputs)
  double label_smoothing = 0;            ///< s, in [0, 1]
};

/// (z - target)^2, mean over the batch and the outputs.
struct MlpSquaredError {
  std::span<const float> targets;  ///< [n, outputs]
};

using MlpObjective = std::variant<MlpCrossEntropy, MlpSquaredError>;

/// g <- g + weight_decay w;  m <- momentum m + g;  w <- w - lr m, or with `nesterov` w - lr (g +
/// momentum m). torch::optim::SGD with dampening 0; weights and biases decay alike.
struct MlpSgd {
  double momentum = 0;
  double weight_decay = 0;
  bool nesterov = false;
};

/// torch::optim::AdamW: w <- (1 - lr weight_decay) w - lr m^ / (sqrt(v^) + epsilon), with m^ and v^
/// the moments corrected for their zero start by the number of steps since step 0.
struct MlpAdamW {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;  ///< > 0
  double weight_decay = 1e-2;
};

using MlpOptimizer = std::variant<MlpSgd, MlpAdamW>;

/// What a training run has come to: enough to go on with the same bits.
struct MlpState {
  std::vector<float> parameters;  ///< [parameter_count]
  std::vector<float> first_moment =
      {};  ///< [parameter_count]: SGD's momentum buffer or Adam's m; empty means zeros
  std::vector<float> second_moment =
      {};                  ///< [parameter_count]: Adam's v; empty means zeros; always empty for SGD
  std::int64_t steps = 0;  ///< steps of the plan that are done
};

/// The state after `steps` steps, in the layout of MlpState. Valid during the callback only.
struct MlpCheckpoint {
  std::int64_t steps = 0;
  std::span<const float> parameters;
  std::span<const float> first_moment;   ///< empty for SGD without momentum
  std::span<const float> second_moment;  ///< empty for SGD
};

/// One training run. The spans are only read and may be shared by any number of runs.
struct MlpTraining {
  MlpShape shape;
  std::span<const float> inputs;  ///< [n, inputs] row by row, already normalised
  MlpObjective objective;

  std::span<const std::int64_t>
      batch_rows;  ///< rows of all batches, one batch after another, each in [0, n)
  std::span<const std::int64_t>
      batch_offsets;  ///< [steps + 1]: batch s is batch_rows[offsets[s], offsets[s + 1])
  std::span<const double> learning_rates;  ///< [steps]

  MlpOptimizer optimizer;
  /// The gradient is scaled by min(1, limit / (norm + 1e-6)), norm over all parameters
  /// (torch::nn::utils::clip_grad_norm_), before the weight decay is added.
  double max_gradient_norm = std::numeric_limits<double>::infinity();

  /// `on_checkpoint` is called when this many steps are done. Ascending; those not above the
  /// starting state's `steps` are passed over.
  std::span<const std::int64_t> checkpoint_steps = {};
  std::function<void(const MlpCheckpoint&)> on_checkpoint = {};
};

/// The vector instructions that the kernels are compiled for. Results differ between them by
/// rounding.
enum class MlpInstructionSet { portable, avx2, avx512 };

MODELDIFF_API std::string_view to_string(MlpInstructionSet set);

/// The sets that this processor can run, the quickest last; never empty.
MODELDIFF_API std::span<const MlpInstructionSet> mlp_instruction_sets();

/// Trains from `state`, which holds at least `parameters`, to the end of the plan and leaves the
/// result in it. Numbers below 1.2e-38 count as zero.
/// @param losses [steps]: mean training loss of each step's batch, before its update (without decay
/// terms);
///               entries before the starting step are left alone
/// @return nothing, or the step (counted from 0) whose loss is not finite; `state` is then that
/// before this step
/// @throws ShapeError for a size, DataError for a row or label, ConfigError for an option that does
/// not fit
MODELDIFF_API std::optional<std::int64_t> train_mlp(
    const MlpTraining& training, MlpState& state, std::span<double> losses,
    MlpInstructionSet set = mlp_instruction_sets().back());

/// Outputs z (logits) of one model.
/// @param parameters [parameter_count]
/// @param inputs     [n, inputs], row by row
/// @param outputs    [n, outputs], overwritten
/// @throws ShapeError for a size that does not fit
MODELDIFF_API void mlp_forward(const MlpShape& shape, std::span<const float> parameters,
                               std::span<const float> inputs, std::span<float> outputs,
                               MlpInstructionSet set = mlp_instruction_sets().back());

}  // namespace modeldiff
