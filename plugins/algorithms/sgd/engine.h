#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "modeldiff/algorithm.h"
#include "plan.h"
#include "sgd_params.h"

/// Two ways to carry out the same plan. They agree up to rounding; which one is taken depends on
/// the parameters and the model alone.
namespace modeldiff {

/// What a run has come to.
struct EngineResult {
  Weights weights;
  /// Steps, weights and, if asked for, optimiser state.
  std::vector<Checkpoint> checkpoints;
  /// [steps] mean training loss of each batch, before its update. Ends early at a loss that is not
  /// finite, which is then the last entry.
  std::vector<double> losses;
};

class Engine {
 public:
  virtual ~Engine() = default;
  /// @param start overwritten
  virtual EngineResult train(const Plan& plan, Weights start, bool keep_optimizer,
                             Pulse& pulse) const = 0;
};

/// The fused kernels of mlp_kernels.h; inputs are made once and shared by all runs.
/// @param predictor its model has an mlp_shape(); both outlive the engine, as do the other
/// arguments
std::unique_ptr<Engine> make_fused_engine(const SgdParams& params, const DataFacts& facts,
                                          const Examples& train, const Predictor& predictor);

/// Autograd on any model, with the augmentations; inputs are made batch by batch.
std::unique_ptr<Engine> make_autograd_engine(const SgdParams& params, const DataFacts& facts,
                                             const Examples& train, const Predictor& predictor);

/// The optimiser of the parameters, as the kernels name it.
MlpOptimizer optimizer_of(const SgdParams& params);

}  // namespace modeldiff
