#include <ATen/ATen.h>
#include <doctest/doctest.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>
#include <string>
#include <vector>

#include "../../plugins/models/model_plugin.h"
#include "../../sdk/test_models.h"
#include "modeldiff/autograd.h"
#include "modeldiff/measurement.h"

// What holds for every model plugin.
namespace modeldiff {
namespace {

struct Case {
  std::string plugin;
  ModelSpec spec;
  Json params = Json::object();
};

const std::vector<Case> kCases = {
    {"linear", {{7}, 3}},
    {"linear", {{1, 4, 4}, 3}, {{"bias", false}, {"init", "uniform"}}},
    {"mlp", {{7}, 3}, {{"hidden", {9, 5}}}},
    {"mlp", {{1, 4, 4}, 2}, {{"init", "uniform"}}},
    {"cnn", {{3, 13, 12}, 4}},
    {"cnn", {{1, 8, 8}, 4}, {{"channels", {5}}}},
    {"resnet9", {{3, 16, 17}, 4}, {{"width", 0.0625}}},
    {"resnet9", {{1, 12, 12}, 4}, {{"channels", {3, 5, 6, 7}}, {"norm", "none"}, {"init", "normal"}}},
};

constexpr std::int64_t kRows = 11;

/// Calls `body` with each model, its weights (running statistics moved away from their start) and inputs.
void for_each_model(const std::function<void(const Case&, std::shared_ptr<const Model>, const Weights&, const at::Tensor&)>& body) {
  for (const Case& c : kCases) {
    CAPTURE(c.plugin);
    CAPTURE(c.params.dump());
    std::shared_ptr<const Model> model = build_model(c.plugin, c.spec, c.params);
    RandomStream random(3, "initialise");
    Weights weights = model->initialise(random);
    std::vector<std::int64_t> shape = c.spec.input_shape;
    shape.insert(shape.begin(), kRows);
    const at::Tensor inputs = normal(shape, 4);
    if (weights.buffers.defined()) {
      Pass pass;
      pass.training = true;
      const at::NoGradGuard no_gradients;
      model->forward(weights, inputs, pass);
    }
    body(c, model, weights, inputs);
  }
}

double tolerance(const at::Tensor& values) { return 1e-5 * (1 + largest(values)); }

TEST_CASE("a model gives one finite row of outputs for each input") {
  for_each_model([](const Case& c, auto model, const Weights& weights, const at::Tensor& inputs) {
    const at::Tensor outputs = Predictor{model, {}}.outputs(weights, inputs);
    CHECK(outputs.sizes() == at::IntArrayRef({kRows, c.spec.outputs}));
    CHECK(outputs.isfinite().all().item<bool>());
    CHECK(outputs.std().item<double>() > 0);
  });
}

TEST_CASE("the same seed gives the same bytes, another seed others") {
  for_each_model([](const Case& c, auto, const Weights&, const at::Tensor&) {
    const auto weights = [&](std::uint64_t seed) {
      RandomStream random(seed, "initialise");
      return build_model(c.plugin, c.spec, c.params)->initialise(random).parameters;
    };
    CHECK(weights(5).equal(weights(5)));
    CHECK_FALSE(weights(5).equal(weights(6)));
  });
}

TEST_CASE("weights fill the layout") {
  for_each_model([](const Case&, auto model, const Weights& weights, const at::Tensor&) {
    CHECK(weights.parameters.sizes() == at::IntArrayRef({model->parameters().count()}));
    CHECK(weights.parameters.scalar_type() == at::kFloat);
    CHECK((weights.buffers.defined() ? weights.buffers.numel() : 0) == model->buffers().count());
    for (const std::string& name : model->head()) CHECK(model->parameters().contains(name));
    CHECK_FALSE(model->head().empty());
  });
}

TEST_CASE("the batch size changes nothing beyond rounding") {
  for_each_model([](const Case&, auto model, const Weights& weights, const at::Tensor& inputs) {
    const Predictor predictor{model, {}};
    const at::Tensor all = predictor.outputs(weights, inputs);
    for (const std::int64_t batch : {1, 4}) CHECK(difference(predictor.outputs(weights, inputs, batch), all) < tolerance(all));
  });
}

TEST_CASE("a permutation of the inputs permutes the outputs") {
  for_each_model([](const Case&, auto model, const Weights& weights, const at::Tensor& inputs) {
    const Predictor predictor{model, {}};
    const at::Tensor order = at::arange(kRows).flip(0), all = predictor.outputs(weights, inputs);
    CHECK(difference(predictor.outputs(weights, inputs.index_select(0, order)), all.index_select(0, order)) < tolerance(all));
  });
}

TEST_CASE("a stack answers as its models do one by one") {
  for_each_model([](const Case&, auto model, const Weights& weights, const at::Tensor& inputs) {
    const at::Tensor parameters = at::stack({weights.parameters, weights.parameters * 0.5, weights.parameters * -1});
    const Weights stack{parameters, weights.buffers.defined() ? weights.buffers.expand({3, -1}).contiguous() : at::Tensor()};
    const Predictor predictor{model, {}};
    const at::Tensor fast = predictor.outputs_stacked(stack, inputs);
    at::Tensor batched;
    {
      const at::NoGradGuard no_gradients;
      batched = model->forward_stacked(stack, inputs);
    }
    for (std::int64_t m = 0; m < 3; ++m) {
      CAPTURE(m);
      const at::Tensor alone = predictor.outputs({parameters[m], weights.buffers}, inputs);
      CHECK(difference(fast[m], alone) < tolerance(alone));
      CHECK(difference(batched[m], alone) < tolerance(alone));
    }
  });
}

TEST_CASE("the kernels for perceptrons answer as the layers do") {
  for_each_model([](const Case&, auto model, const Weights& weights, const at::Tensor& inputs) {
    if (!model->mlp_shape()) return;
    CHECK(model->mlp_shape()->parameter_count() == model->parameters().count());
    Pass pass;
    const at::Tensor layers = model->forward(weights, inputs, pass);
    CHECK(difference(Predictor{model, {}}.outputs(weights, inputs), layers) < tolerance(layers));
  });
}

TEST_CASE("per-example gradients from the tape are those of batches of one") {
  for_each_model([](const Case& c, auto model, const Weights& weights, const at::Tensor& inputs) {
    const at::Tensor labels = at::arange(kRows).remainder(c.spec.outputs);
    LayerTape tape;
    Pass taped;
    taped.tape = &tape;
    const auto deltas = tape.output_gradients(log_odds_margin(model->forward(weights, inputs, taped), labels).sum());
    at::Tensor got = at::zeros({kRows, model->parameters().count()});
    std::int64_t covered = 0;
    for (std::size_t i = 0; i < deltas.size(); ++i) {
      const at::Tensor gradient = per_example_gradients(tape.records()[i], deltas[i]);
      got.narrow(1, model->parameters().at(tape.records()[i].name + ".weight").offset, gradient.size(1)).copy_(gradient);
      covered += gradient.size(1);
    }
    CHECK(covered == model->parameters().count());
    for (const std::int64_t i : {0, 6}) {
      CAPTURE(i);
      const at::Tensor flat = weights.parameters.clone().requires_grad_();
      Pass pass;
      const at::Tensor margin = log_odds_margin(model->forward({flat, weights.buffers}, inputs.narrow(0, i, 1), pass), labels.narrow(0, i, 1));
      const at::Tensor expected = torch::autograd::grad({margin.sum()}, {flat})[0];
      CHECK(difference(got[i], expected) <= 2e-5 * largest(expected));
    }
  });
}

TEST_CASE("gradient steps lower the loss") {
  for_each_model([](const Case& c, auto model, const Weights& start, const at::Tensor& inputs) {
    const at::Tensor labels = at::arange(kRows).remainder(c.spec.outputs);
    const auto loss = [&](const at::Tensor& outputs) { return at::cross_entropy_loss(outputs, labels); };
    Weights weights{start.parameters.clone(), start.buffers};
    at::Tensor none;
    double first = 0, last = 0;
    for (int step = 0; step < 30; ++step) {
      const LossGradient batch = parameter_gradients(*model, weights, inputs, loss);
      last = batch.loss.template item<double>();
      if (step == 0) first = last;
      sgd_step(weights.parameters, batch.gradient, none, 0.02, {});
    }
    CHECK(last < 0.98 * first);
  });
}

TEST_CASE("features are what the last layer sees") {
  for_each_model([](const Case&, auto model, const Weights& weights, const at::Tensor& inputs) {
    LayerTape tape;
    Pass pass;
    pass.tape = &tape;
    pass.want_features = true;
    model->forward(weights, inputs, pass);
    CHECK(pass.features.detach().equal(tape.records().back().input));
    Pass quiet;
    model->forward(weights, inputs, quiet);
    CHECK_FALSE(quiet.features.defined());
  });
}

}  // namespace
}  // namespace modeldiff
