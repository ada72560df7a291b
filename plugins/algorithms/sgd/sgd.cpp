#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <numeric>
#include <string>
#include <utility>

#include "check.h"
#include "engine.h"
#include "initial_weights.h"
#include "modeldiff/algorithm.h"
#include "modeldiff/layers.h"
#include "modeldiff/plugin.h"
#include "modeldiff/plugin_factory.h"
#include "plan.h"
#include "sgd_params.h"

namespace modeldiff {
namespace {

/// Rows of the training set that a run keeps.
std::vector<std::int64_t> rows_of(const RunSpec& run, std::int64_t examples) {
  if (!run.subset.defined()) {
    std::vector<std::int64_t> all(static_cast<std::size_t>(examples));
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  const at::Tensor rows = run.subset.contiguous();
  const auto* begin = rows.const_data_ptr<std::int64_t>();
  return {begin, begin + rows.numel()};
}

void check_loss(const EngineResult& result, const Plan& plan, const RunSpec& run) {
  const double loss = result.losses.back();
  if (std::isfinite(loss)) return;
  const auto step = static_cast<std::int64_t>(result.losses.size()) - 1;
  throw NumericalError(fmt::format(
      "{}: the training loss is {} at step {} of {} (epoch {} of {}, learning rate {:.4g}); try a "
      "lower `lr`, `clip: 1` "
      "or a schedule that begins lower",
      run.label, std::abs(loss), step + 1, plan.steps(), step / plan.steps_per_epoch() + 1,
      plan.epochs(), plan.rates()[static_cast<std::size_t>(step)]));
}

/// The loss is that before the last update, which may still have gone wrong.
void check_weights(const EngineResult& result, const Plan& plan, const RunSpec& run) {
  if (std::isfinite(result.weights.parameters.abs().max().item<float>())) return;
  throw NumericalError(fmt::format(
      "{}: the weights are not finite after the last of {} steps (epoch {} of {}, learning "
      "rate {:.4g}); try a lower `lr` or `clip: 1`",
      run.label, plan.steps(), plan.epochs(), plan.epochs(), plan.rates().back()));
}

class Sgd final : public LearningAlgorithm {
 public:
  explicit Sgd(SgdParams params) : params_(std::move(params)) {
    if (auto found = contradictions(params_); !found.empty()) throw ConfigError(std::move(found));
  }

  Predictor predictor(const DataFacts& facts, const InputRuns&,
                      const PluginFactory& plugins) const override {
    return make_predictor(facts, plugins);
  }

  void train(const TrainRequest& request) const override {
    const Predictor predictor = make_predictor(request.facts, request.plugins);
    const InitialWeights initial(params_.init, *predictor.model, request.resources);
    const std::unique_ptr<Engine> engine = make_engine(request, predictor);
    Pulse pulse(request.progress, request.runs.size());
    for (std::size_t r = 0; r < request.runs.size(); ++r) {
      const RunSpec& run = request.runs[r];
      pulse.begin_run(r, run.label);
      const Plan plan(params_, rows_of(run, request.train.size()), run.seed, request.keep.count);
      static const InputRuns kNone;
      Weights start = initial.of_run(run.seed, request.inputs.empty() ? kNone : request.inputs[r]);
      EngineResult result =
          engine->train(plan, std::move(start), request.keep.optimizer_state, pulse);
      check_loss(result, plan, run);
      check_weights(result, plan, run);
      request.done(r, trained_run(std::move(result), plan, predictor));
    }
  }

  double memory_bytes(const DataFacts& facts, const InputRuns&, std::int64_t examples,
                      const PluginFactory& plugins) const override {
    const Predictor predictor = make_predictor(facts, plugins);
    const auto parameters = static_cast<double>(predictor.model->parameters().count());
    const double inputs = std::accumulate(facts.input_shape.begin(), facts.input_shape.end(), 1.0,
                                          std::multiplies<>());
    // Weights, gradient, two moments, a copy that is being packed or stored.
    const double weights = 5 * parameters;
    if (takes_kernels(predictor)) {
      // Row numbers are 8 bytes each.
      const double plan = 2.0 * static_cast<double>(steps_of(params_, examples)) *
                          static_cast<double>(params_.batch);
      return 4 * (weights + static_cast<double>(examples) * inputs + plan);
    }
    // A training step holds each layer's input, output and gradient, and as much again within its
    // products.
    const double rows = static_cast<double>(std::min(params_.batch, examples));
    return 4 * (weights + rows * (4 * inputs + 4 * layer_floats(predictor, facts)));
  }

 private:
  Predictor make_predictor(const DataFacts& facts, const PluginFactory& plugins) const {
    if (auto found = misfits(params_, facts); !found.empty()) throw ConfigError(std::move(found));
    Predictor out;
    out.model = build_model(facts, plugins);
    out.view = {{}, facts.fill, facts.mean, facts.deviation};
    if (params_.input_mask)
      out.view.hidden = params_.input_mask->mask(facts.input_shape[1], facts.input_shape[2]);
    return out;
  }

  /// @throws ConfigError with the paths of the model under `model`
  std::shared_ptr<const Model> build_model(const DataFacts& facts,
                                           const PluginFactory& plugins) const {
    try {
      return plugins.create_as<Architecture>("models", params_.model)
          ->build({facts.input_shape, facts.outputs});
    } catch (const ConfigError& e) {
      std::vector<Diagnostic> found = e.diagnostics();
      for (Diagnostic& d : found) d.path = d.path.empty() ? "model" : "model." + d.path;
      throw ConfigError(std::move(found));
    }
  }

  bool takes_kernels(const Predictor& predictor) const {
    return predictor.model->mlp_shape().has_value() && params_.augment.empty();
  }

  std::unique_ptr<Engine> make_engine(const TrainRequest& request,
                                      const Predictor& predictor) const {
    const auto make = takes_kernels(predictor) ? make_fused_engine : make_autograd_engine;
    return make(params_, request.facts, request.train, predictor);
  }

  /// Floats of the inputs and outputs of all layers for one example.
  static double layer_floats(const Predictor& predictor, const DataFacts& facts) {
    std::vector<std::int64_t> shape{1};
    shape.insert(shape.end(), facts.input_shape.begin(), facts.input_shape.end());
    RandomStream random(0);
    const Weights weights = predictor.model->initialise(random);
    LayerTape tape;
    Pass pass;
    pass.tape = &tape;
    predictor.model->forward(weights, at::zeros(shape, at::kFloat), pass);
    double floats = 0;
    for (const LayerRecord& record : tape.records()) {
      floats += static_cast<double>(record.input.numel() + record.output.numel());
    }
    return floats;
  }

  TrainedRun trained_run(EngineResult result, const Plan& plan, const Predictor& predictor) const {
    TrainedRun run;
    run.weights = std::move(result.weights);
    run.checkpoints = std::move(result.checkpoints);
    for (std::size_t c = 0; c < run.checkpoints.size(); ++c)
      run.checkpoints[c].learning_rate_sum = plan.rate_sum(c);
    run.epoch_loss = plan.epoch_means(result.losses);
    run.steps = plan.steps();
    run.facts = {
        {"engine", takes_kernels(predictor) ? "fused" : "autograd"},
        {"examples", plan.examples()},
        {"steps_per_epoch", plan.steps_per_epoch()},
        {"learning_rate_sum", std::accumulate(plan.rates().begin(), plan.rates().end(), 0.0)}};
    return run;
  }

  SgdParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("algorithms", "sgd", "1.0",
                 "Gradient descent on mini-batches: SGD with momentum, or AdamW", Sgd, SgdParams,
                 "{}")

}  // namespace modeldiff
