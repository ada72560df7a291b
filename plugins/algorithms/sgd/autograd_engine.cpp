#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <variant>

#include "augment.h"
#include "engine.h"
#include "modeldiff/autograd.h"
#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

/// The optimiser's state beside the weights, and its step.
class FlatOptimizer {
 public:
  FlatOptimizer(const SgdParams& params, const at::Tensor& parameters)
      : rule_(optimizer_of(params)) {
    if (const auto* sgd = std::get_if<MlpSgd>(&rule_)) {
      if (sgd->momentum != 0) first_ = at::zeros_like(parameters);
    } else {
      first_ = at::zeros_like(parameters);
      second_ = at::zeros_like(parameters);
    }
  }

  /// @param step counts from 0
  void update(at::Tensor& parameters, const at::Tensor& gradient, double rate, std::int64_t step) {
    if (const auto* sgd = std::get_if<MlpSgd>(&rule_)) {
      sgd_step(parameters, gradient, first_, rate, *sgd);
    } else {
      adamw_step(parameters, gradient, first_, second_, rate, std::get<MlpAdamW>(rule_), step + 1);
    }
  }

  TensorMap state() const {
    if (second_.defined())
      return {{"first_moment", first_.clone()}, {"second_moment", second_.clone()}};
    if (first_.defined()) return {{"momentum", first_.clone()}};
    return {};
  }

 private:
  MlpOptimizer rule_;
  at::Tensor first_, second_;
};

class AutogradEngine final : public Engine {
 public:
  AutogradEngine(const SgdParams& params, const DataFacts& facts, const Examples& train,
                 const Predictor& predictor)
      : params_(params),
        facts_(facts),
        train_(train),
        predictor_(predictor),
        augmenter_(params.augment, facts) {
    if (predictor.view.hidden.defined())
      only_hides_ = InputView{predictor.view.hidden, predictor.view.fill, {}, {}};
  }

  EngineResult train(const Plan& plan, Weights start, bool keep_optimizer,
                     Pulse& pulse) const override {
    EngineResult result;
    result.weights = std::move(start);
    Weights& weights = result.weights;
    FlatOptimizer optimizer(params_, weights.parameters);
    at::Tensor gradient = at::empty_like(weights.parameters);
    std::vector<std::int64_t> order;
    for (std::int64_t s = 0; s < plan.steps(); ++s) {
      if (s % plan.steps_per_epoch() == 0) order = plan.order(s / plan.steps_per_epoch());
      const Batch batch = batch_of(plan, s, order);
      const LossGradient step = parameter_gradients(
          *predictor_.model, weights, batch.inputs,
          [&](const at::Tensor& outputs) { return loss_of(outputs, batch.targets); }, gradient);
      result.losses.push_back(step.loss.item<double>());
      if (!std::isfinite(result.losses.back())) break;
      if (params_.clip) clip_gradient(gradient, *params_.clip);
      optimizer.update(weights.parameters, gradient, plan.rates()[static_cast<std::size_t>(s)], s);
      if (is_next_checkpoint(plan, s + 1, result)) {
        result.checkpoints.push_back(
            checkpoint_of(s + 1, weights, keep_optimizer ? optimizer.state() : TensorMap{}));
      }
      pulse.beat(static_cast<double>(s + 1) / static_cast<double>(plan.steps()));
    }
    return result;
  }

 private:
  /// Rows, augmented where asked for, as the model is shown them. Hidden pixels are hidden before
  /// an augmentation could move them into sight, and after.
  Batch batch_of(const Plan& plan, std::int64_t step,
                 const std::vector<std::int64_t>& order) const {
    const at::Tensor rows = at::empty({plan.batch_size(step)}, at::kLong);
    std::copy_n(order.begin() + plan.batch_begin(step), rows.numel(),
                rows.mutable_data_ptr<std::int64_t>());
    Batch batch{train_.inputs.index_select(0, rows), train_.targets.index_select(0, rows)};
    if (!augmenter_.empty()) {
      batch.inputs = only_hides_.apply(batch.inputs).contiguous();
      augmenter_.apply(plan.seed(), step, batch);
    }
    batch.inputs = predictor_.view.apply(batch.inputs);
    if (facts_.images()) batch.inputs = batch.inputs.contiguous(at::MemoryFormat::ChannelsLast);
    return batch;
  }

  /// Mean over the batch, and over the outputs of a regression.
  at::Tensor loss_of(const at::Tensor& outputs, const at::Tensor& targets) const {
    if (facts_.task == Task::regression) return at::mse_loss(outputs, targets);
    return at::cross_entropy_loss(outputs, targets, {}, at::Reduction::Mean, -100,
                                  params_.label_smoothing);
  }

  static bool is_next_checkpoint(const Plan& plan, std::int64_t steps_done,
                                 const EngineResult& result) {
    const std::size_t next = result.checkpoints.size();
    return next < plan.checkpoint_steps().size() && plan.checkpoint_steps()[next] == steps_done;
  }

  static Checkpoint checkpoint_of(std::int64_t steps_done, const Weights& weights,
                                  TensorMap optimizer) {
    Checkpoint out;
    out.step = steps_done;
    out.weights.parameters = weights.parameters.clone();
    if (weights.buffers.defined()) out.weights.buffers = weights.buffers.clone();
    out.optimizer = std::move(optimizer);
    return out;
  }

  const SgdParams& params_;
  const DataFacts& facts_;
  const Examples& train_;
  const Predictor& predictor_;
  Augmenter augmenter_;
  InputView only_hides_;
};

}  // namespace

std::unique_ptr<Engine> make_autograd_engine(const SgdParams& params, const DataFacts& facts,
                                             const Examples& train, const Predictor& predictor) {
  return std::make_unique<AutogradEngine>(params, facts, train, predictor);
}

}  // namespace modeldiff
