#include "my_plugin_params.h"

#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/mse_loss.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "modeldiff/algorithm.h"
#include "modeldiff/autograd.h"
#include "modeldiff/core/random.h"
#include "modeldiff/plugin.h"
#include "modeldiff/plugin_factory.h"

namespace modeldiff {
namespace {

/// Gradient descent on the mean loss of all training examples: w <- w - lr grad L(w).
class MyPluginDescent final : public LearningAlgorithm {
 public:
  explicit MyPluginDescent(MyPluginParams params) : params_(std::move(params)) {}

  Predictor predictor(const DataFacts& facts, const InputRuns&,
                      const PluginFactory& plugins) const override {
    const auto architecture = plugins.create_as<Architecture>("models", params_.model);
    return {architecture->build({facts.input_shape, facts.outputs}),
            {{}, facts.fill, facts.mean, facts.deviation}};
  }

  void train(const TrainRequest& request) const override {
    const Predictor predictor = this->predictor(request.facts, {}, request.plugins);
    for (std::size_t run = 0; run < request.runs.size(); ++run) {
      request.done(run, train_one(request, request.runs[run], predictor));
    }
  }

  double memory_bytes(const DataFacts& facts, const InputRuns&, std::int64_t examples,
                      const PluginFactory& plugins) const override {
    constexpr double kActivations = 8;  // times the inputs
    double inputs = static_cast<double>(examples);
    for (const std::int64_t size : facts.input_shape) inputs *= static_cast<double>(size);
    const auto weights =
        static_cast<double>(predictor(facts, {}, plugins).model->parameters().count());
    return 4 * (3 * weights + kActivations * inputs);
  }

 private:
  TrainedRun train_one(const TrainRequest& request, const RunSpec& run,
                       const Predictor& predictor) const {
    const Examples rows = run.subset.defined() ? request.train.select(run.subset) : request.train;
    const at::Tensor inputs = predictor.view.apply(rows.inputs);
    const auto loss = [&](const at::Tensor& outputs) {
      return request.facts.task == Task::regression ? at::mse_loss(outputs, rows.targets)
                                                    : at::cross_entropy_loss(outputs, rows.targets);
    };
    TrainedRun out;
    RandomStream random(run.seed, "initialise");
    out.weights = predictor.model->initialise(random);
    std::int64_t checkpoint_step = 0;
    for (out.steps = 1;; ++out.steps) {
      request.progress.check_stop();
      const LossGradient step = parameter_gradients(*predictor.model, out.weights, inputs, loss);
      out.epoch_loss.push_back(step.loss.item<double>());
      if (!std::isfinite(out.epoch_loss.back())) {
        throw NumericalError(run.label + ": the loss of step " + std::to_string(out.steps) +
                             " is not finite");
      }
      out.weights.parameters.sub_(step.gradient, params_.lr);
      if (out.steps == next_checkpoint(request.keep, out.checkpoints.size())) {
        out.checkpoints.push_back({out.steps,
                                   copy_of(out.weights),
                                   {},
                                   params_.lr * static_cast<double>(out.steps - checkpoint_step)});
        checkpoint_step = out.steps;
      }
      request.progress.update(static_cast<double>(out.steps) / static_cast<double>(params_.steps),
                              run.label);
      if (out.steps == params_.steps) return out;
    }
  }

  /// Evenly spaced, the last at the end of training; 0 when there is none left.
  std::int64_t next_checkpoint(const CheckpointRequest& keep, std::size_t kept) const {
    const std::int64_t count = std::min(keep.count, params_.steps),
                       next = static_cast<std::int64_t>(kept) + 1;
    return next > count ? 0 : next * params_.steps / count;
  }

  static Weights copy_of(const Weights& weights) {
    return {weights.parameters.clone(),
            weights.buffers.defined() ? weights.buffers.clone() : at::Tensor()};
  }

  MyPluginParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("algorithms", "my_plugin", "0.1-dev",
                 "Gradient descent on all training examples at once", MyPluginDescent,
                 MyPluginParams, "{}")

}  // namespace modeldiff
