#include "engine.h"

namespace modeldiff {
namespace {

constexpr std::chrono::milliseconds kPulse{50};

}  // namespace

void Pulse::begin_run(std::size_t run, const std::string& label) {
  run_ = run;
  label_ = label;
  beat(0);
}

void Pulse::beat(double share) {
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < kPulse) return;
  last_ = now;
  progress_.check_stop();
  progress_.update((static_cast<double>(run_) + share) / static_cast<double>(runs_), label_);
}

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
