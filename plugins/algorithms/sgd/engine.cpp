#include "engine.h"

namespace modeldiff {
MlpOptimizer optimizer_of(const SgdParams& params) {
  if (params.optimizer == OptimizerKind::adamw) {
    return MlpAdamW{.beta1 = params.betas[0],
                    .beta2 = params.betas[1],
                    .epsilon = params.epsilon,
                    .weight_decay = params.weight_decay};
  }
  return MlpSgd{.momentum = params.momentum,
                .weight_decay = params.weight_decay,
                .nesterov = params.nesterov};
}

}  // namespace modeldiff
