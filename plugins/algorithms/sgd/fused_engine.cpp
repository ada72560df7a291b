#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "engine.h"
#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

template <typename T>
std::span<const T> span_of(const at::Tensor& tensor) {
  return {tensor.const_data_ptr<T>(), static_cast<std::size_t>(tensor.numel())};
}

at::Tensor tensor_of(std::span<const float> values) {
  at::Tensor out = at::empty({static_cast<std::int64_t>(values.size())}, at::kFloat);
  std::copy(values.begin(), values.end(), out.mutable_data_ptr<float>());
  return out;
}

class FusedEngine final : public Engine {
 public:
  FusedEngine(const SgdParams& params, const DataFacts& facts, const Examples& train,
              const Predictor& predictor)
      : params_(params), shape_(*predictor.model->mlp_shape()) {
    inputs_ = predictor.view.apply(train.inputs).flatten(1).contiguous();
    targets_ = train.targets.contiguous();
    if (facts.task == Task::classification) {
      objective_ = MlpCrossEntropy{span_of<std::int64_t>(targets_), params.label_smoothing};
    } else {
      objective_ = MlpSquaredError{span_of<float>(targets_)};
    }
  }

  EngineResult train(const Plan& plan, Weights start, bool keep_optimizer,
                     Pulse& pulse) const override {
    const auto [rows, offsets] = batches_of(plan);
    const std::vector<std::int64_t> stops = stops_of(plan);
    const std::vector<std::int64_t>& kept = plan.checkpoint_steps();
    EngineResult result;

    MlpTraining training;
    training.shape = shape_;
    training.inputs = span_of<float>(inputs_);
    training.objective = objective_;
    training.batch_rows = rows;
    training.batch_offsets = offsets;
    training.learning_rates = plan.rates();
    training.optimizer = optimizer_of(params_);
    if (params_.clip) training.max_gradient_norm = *params_.clip;
    training.checkpoint_steps = stops;
    training.on_checkpoint = [&](const MlpCheckpoint& now) {
      if (std::binary_search(kept.begin(), kept.end(), now.steps)) {
        result.checkpoints.push_back(checkpoint_of(now, keep_optimizer));
      }
      pulse.beat(static_cast<double>(now.steps) / static_cast<double>(plan.steps()));
    };

    const std::span<const float> from = span_of<float>(start.parameters);
    MlpState state{{from.begin(), from.end()}, {}, {}, 0};
    result.losses.resize(static_cast<std::size_t>(plan.steps()));
    if (const auto failed = train_mlp(training, state, result.losses)) {
      result.losses.resize(static_cast<std::size_t>(*failed) + 1);
    }
    result.weights.parameters = tensor_of(state.parameters);
    return result;
  }

 private:
  struct Batches {
    std::vector<std::int64_t> rows, offsets;
  };

  static Batches batches_of(const Plan& plan) {
    Batches out{{}, {0}};
    std::vector<std::int64_t> order;
    for (std::int64_t s = 0; s < plan.steps(); ++s) {
      if (s % plan.steps_per_epoch() == 0) order = plan.order(s / plan.steps_per_epoch());
      const auto begin = order.begin() + plan.batch_begin(s);
      out.rows.insert(out.rows.end(), begin, begin + plan.batch_size(s));
      out.offsets.push_back(static_cast<std::int64_t>(out.rows.size()));
    }
    return out;
  }

  /// The plan's checkpoints, and steps between them that are at most about 20 ms apart, to ask
  /// whether to stop.
  std::vector<std::int64_t> stops_of(const Plan& plan) const {
    constexpr double kSlowFlopsPerSecond = 5e9, kSeconds = 0.02;
    const double flops = 6.0 * static_cast<double>(shape_.parameter_count() * plan.batch_size(0));
    const auto apart = static_cast<std::int64_t>(std::ceil(kSlowFlopsPerSecond * kSeconds / flops));
    std::set<std::int64_t> stops(plan.checkpoint_steps().begin(), plan.checkpoint_steps().end());
    for (std::int64_t s = apart; s < plan.steps(); s += apart) stops.insert(s);
    return {stops.begin(), stops.end()};
  }

  Checkpoint checkpoint_of(const MlpCheckpoint& now, bool keep_optimizer) const {
    Checkpoint out;
    out.step = now.steps;
    out.weights.parameters = tensor_of(now.parameters);
    if (!keep_optimizer) return out;
    const bool adam = params_.optimizer == OptimizerKind::adamw;
    if (!now.first_moment.empty())
      out.optimizer[adam ? "first_moment" : "momentum"] = tensor_of(now.first_moment);
    if (!now.second_moment.empty()) out.optimizer["second_moment"] = tensor_of(now.second_moment);
    return out;
  }

  const SgdParams& params_;
  MlpShape shape_;
  at::Tensor inputs_;   // [n, inputs]
  at::Tensor targets_;  // the objective looks into it
  MlpObjective objective_;
};

}  // namespace

std::unique_ptr<Engine> make_fused_engine(const SgdParams& params, const DataFacts& facts,
                                          const Examples& train, const Predictor& predictor) {
  return std::make_unique<FusedEngine>(params, facts, train, predictor);
}

}  // namespace modeldiff
