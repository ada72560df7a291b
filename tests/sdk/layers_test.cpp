#include "modeldiff/layers.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <doctest/doctest.h>
#include <torch/csrc/autograd/autograd.h>

#include <limits>

#include "modeldiff/core/error.h"
#include "modeldiff/measurement.h"
#include "test_models.h"

namespace modeldiff {
namespace {

constexpr auto kChannelsLast = at::MemoryFormat::ChannelsLast;

/// Strided and grouped convolutions with and without bias, batch norm, layer norm of tokens and of
/// rows, linear layers on tokens and on rows.
TestModel every_layer() {
  ParameterLayout parameters, buffers;
  parameters.add("strided.weight", {4, 2, 3, 3});
  parameters.add("strided.bias", {4});
  parameters.add("grouped.weight", {6, 2, 3, 3});
  add_batch_norm(parameters, buffers, "norm", 6);
  parameters.add("tokens.weight", {5, 6});
  parameters.add("tokens.bias", {5});
  for (const auto& [name, width] : {std::pair{"token_norm", 5}, std::pair{"row_norm", 10}}) {
    parameters.add(std::string(name) + ".weight", {width});
    parameters.add(std::string(name) + ".bias", {width});
  }
  parameters.add("head.weight", {3, 10});
  return TestModel(
      parameters, buffers,
      [](const TestModel& model, const Weights& weights, const at::Tensor& inputs, Pass& pass) {
        at::Tensor x = relu(pass, conv2d(pass, model, weights, "strided", inputs, 2, 1));
        x = batch_norm(pass, model, weights, "norm",
                       conv2d(pass, model, weights, "grouped", x, 1, 0, 2), true);
        x = x.flatten(2).transpose(1, 2);  // [n, positions, channels]
        x = relu(pass, linear(pass, model, weights, "tokens", x));
        x = layer_norm(pass, model, weights, "token_norm", x);
        x = at::cat({x.amax(1), x.mean(1)}, 1);
        x = layer_norm(pass, model, weights, "row_norm", x);
        return linear(pass, model, weights, "head", x);
      });
}

Weights some_weights(const Model& model, std::uint64_t seed) {
  RandomStream random(seed);
  Weights weights = model.initialise(random);
  if (weights.buffers.defined())
    weights.buffers = normal(weights.buffers.sizes().vec(), seed + 1).abs_().add_(0.1);
  return weights;
}

/// The gradient of each example's margin with respect to all parameters, from one pass with a tape.
/// [n, p]
at::Tensor taped_gradients(const Model& model, const Weights& weights, const at::Tensor& x,
                           const at::Tensor& labels) {
  LayerTape tape;
  Pass pass;
  pass.tape = &tape;
  const at::Tensor margins = log_odds_margin(model.forward(weights, x, pass), labels);
  const std::vector<at::Tensor> deltas = tape.output_gradients(margins.sum());
  at::Tensor out =
      at::full({x.size(0), model.parameters().count()}, std::numeric_limits<float>::quiet_NaN());
  for (std::size_t i = 0; i < deltas.size(); ++i) {
    const at::Tensor gradient = per_example_gradients(tape.records()[i], deltas[i]);
    out.narrow(1, model.parameters().at(tape.records()[i].name + ".weight").offset,
               gradient.size(1))
        .copy_(gradient);
  }
  return out;
}

/// The same by one pass and backward pass for each example.
at::Tensor gradients_one_by_one(const Model& model, const Weights& weights, const at::Tensor& x,
                                const at::Tensor& labels) {
  std::vector<at::Tensor> rows;
  for (std::int64_t i = 0; i < x.size(0); ++i) {
    const at::Tensor flat = weights.parameters.detach().clone().requires_grad_();
    Pass pass;
    const at::Tensor margin = log_odds_margin(
        model.forward({flat, weights.buffers}, x.narrow(0, i, 1), pass), labels.narrow(0, i, 1));
    rows.push_back(torch::autograd::grad({margin.sum()}, {flat})[0]);
  }
  return at::stack(rows);
}

const at::Tensor kLabels = at::tensor({0, 1, 2, 1, 0}, at::kLong);

TEST_CASE("per-example gradients from the tape are those of batches of one") {
  const TestModel model = every_layer();
  for (const std::uint64_t seed : {1, 2, 3}) {
    CAPTURE(seed);
    const Weights weights = some_weights(model, seed);
    const at::Tensor x = normal({5, 2, 9, 8}, seed + 10);
    const at::Tensor expected = gradients_one_by_one(model, weights, x, kLabels);
    for (const at::Tensor& input : {x, x.contiguous(kChannelsLast)}) {
      CHECK(difference(taped_gradients(model, weights, input, kLabels), expected) <=
            1e-5 * largest(expected));
    }
  }
}

TEST_CASE(
    "per-example gradients of an embedding are those of batches of one, words met twice too") {
  ParameterLayout parameters;
  parameters.add("words.weight", {7, 4});
  parameters.add("head.weight", {3, 4});
  const TestModel model(
      parameters, {},
      [](const TestModel& self, const Weights& weights, const at::Tensor& tokens, Pass& pass) {
        const at::Tensor x = embedding(pass, self, weights, "words", tokens);
        return linear(pass, self, weights, "head", x.tanh().sum(1));
      });
  const Weights weights = some_weights(model, 3);
  const at::Tensor tokens = at::tensor({0, 0, 5, 6, 1, 2, 3, 3, 3, 4, 0, 6, 1, 5, 2}, at::kLong);
  const at::Tensor x = tokens.view({5, 3});
  const at::Tensor expected = gradients_one_by_one(model, weights, x, kLabels);
  CHECK(difference(taped_gradients(model, weights, x, kLabels), expected) <=
        1e-5 * largest(expected));
}

TEST_CASE("a permuted batch permutes the rows of its gradients") {
  const TestModel model = every_layer();
  const Weights weights = some_weights(model, 4);
  const at::Tensor x = normal({5, 2, 9, 8}, 5), order = at::tensor({3, 0, 4, 2, 1}, at::kLong);
  const at::Tensor plain = taped_gradients(model, weights, x, kLabels);
  const at::Tensor permuted =
      taped_gradients(model, weights, x.index_select(0, order), kLabels.index_select(0, order));
  CHECK(difference(permuted, plain.index_select(0, order)) <= 1e-6 * largest(plain));
}

TEST_CASE("a convolution whose patches outgrow one chunk has the same gradients") {
  ParameterLayout parameters;
  parameters.add("conv.weight", {3, 64, 3, 3});
  const TestModel model(
      parameters, {},
      [](const TestModel& self, const Weights& weights, const at::Tensor& x, Pass& pass) {
        return conv2d(pass, self, weights, "conv", x, 1, 1).sum({2, 3});
      });
  const Weights weights = some_weights(model, 6);
  const at::Tensor x = normal({5, 64, 28, 28}, 7);
  const at::Tensor expected = gradients_one_by_one(model, weights, x, kLabels);
  CHECK(difference(taped_gradients(model, weights, x, kLabels), expected) <=
        1e-5 * largest(expected));
}

TEST_CASE("the tape records layers in their order and changes no output") {
  const TestModel model = every_layer();
  const Weights weights = some_weights(model, 8);
  const at::Tensor x = normal({5, 2, 9, 8}, 9);
  LayerTape tape;
  Pass taped, plain;
  taped.tape = &tape;
  const at::Tensor outputs = model.forward(weights, x, taped);
  CHECK(difference(outputs, model.forward(weights, x, plain)) < 1e-5);
  std::vector<std::string> names;
  for (const LayerRecord& record : tape.records()) names.push_back(record.name);
  CHECK(names == std::vector<std::string>{"strided", "grouped", "norm", "tokens", "token_norm",
                                          "row_norm", "head"});
  CHECK(tape.records()[0].bias);
  CHECK_FALSE(tape.records()[1].bias);
  CHECK(tape.records()[1].groups == 2);
}

TEST_CASE("a gradient of another shape than the output is refused") {
  const TestModel model = every_layer();
  LayerTape tape;
  Pass pass;
  pass.tape = &tape;
  model.forward(some_weights(model, 1), normal({5, 2, 9, 8}, 1), pass);
  CHECK_THROWS_WITH_AS(per_example_gradients(tape.records().back(), at::zeros({4, 3})),
                       "layer head: its output is [5, 3] float32 and the gradient [4, 3] float32",
                       ShapeError);
}

TEST_CASE("batch norm in training mode can be neither taped nor ablated") {
  const TestModel model = every_layer();
  LayerTape tape;
  Pass pass;
  pass.training = true;
  pass.tape = &tape;
  CHECK_THROWS_AS(model.forward(some_weights(model, 1), normal({5, 2, 9, 8}, 1), pass),
                  InternalError);
}

// ---- ablation
// -------------------------------------------------------------------------------------------------------

at::Tensor ablated(const Model& model, const Weights& weights, const at::Tensor& x,
                   const Ablation& ablation) {
  Pass pass;
  pass.ablation = &ablation;
  return model.forward(weights, x, pass);
}

at::Tensor plain(const Model& model, const Weights& weights, const at::Tensor& x) {
  Pass pass;
  return model.forward(weights, x, pass);
}

TEST_CASE("ablating an output is zeroing its weights: bias and batch norm stay") {
  const TestModel model = every_layer();
  const at::Tensor x = normal({5, 2, 9, 8}, 3);
  for (const char* layer : {"strided", "grouped", "tokens", "head"}) {
    CAPTURE(layer);
    const Weights weights = some_weights(model, 11);
    const std::int64_t outputs = model.parameters().at(std::string(layer) + ".weight").shape[0];
    // The first output that matters: a rectifier may shut others for all inputs.
    at::Tensor expected, keep;
    for (std::int64_t unit = 0; unit < outputs; ++unit) {
      keep = at::ones({outputs}).index_fill(0, at::tensor({unit}), 0);
      const Weights edited{weights.parameters.clone(), weights.buffers};
      model.parameters().view(edited.parameters, std::string(layer) + ".weight")[unit].zero_();
      expected = plain(model, edited, x);
      if (difference(expected, plain(model, weights, x)) > 1e-3) break;
    }
    REQUIRE(difference(expected, plain(model, weights, x)) > 1e-3);
    CHECK(difference(ablated(model, weights, x, {{{layer, keep}}, {}}), expected) < 1e-5);
    // One row of multipliers for each example.
    CHECK(difference(ablated(model, weights, x, {{{layer, keep.expand({5, outputs})}}, {}}),
                     expected) < 1e-5);
  }
}

TEST_CASE("each example of a batch can have an ablation of its own") {
  const TestModel model = every_layer();
  const Weights weights = some_weights(model, 12);
  const at::Tensor x = normal({4, 2, 9, 8}, 13);
  const at::Tensor keep = at::tensor({1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1}, at::kLong)
                              .to(at::kFloat)
                              .view({4, 4});
  const at::Tensor together = ablated(model, weights, x, {{{"strided", keep}}, {}});
  for (std::int64_t i = 0; i < 4; ++i) {
    CAPTURE(i);
    const at::Tensor alone =
        ablated(model, weights, x.narrow(0, i, 1), {{{"strided", keep[i]}}, {}});
    CHECK(difference(together[i], alone[0]) < 1e-5);
  }
}

TEST_CASE("a replacement takes the place of what is ablated") {
  ParameterLayout parameters;
  parameters.add("layer.weight", {2, 1});
  parameters.add("layer.bias", {2});
  const TestModel model(parameters, {},
                        [](const TestModel& self, const Weights& weights, const at::Tensor& x,
                           Pass& pass) { return linear(pass, self, weights, "layer", x); });
  const Weights weights{at::tensor({2.f, 3.f, 0.5f, 0.25f}), {}};
  const at::Tensor x = at::tensor({10.f}).view({1, 1});
  const Ablation ablation{{{"layer", at::tensor({0.f, 0.5f})}},
                          {{"layer", at::tensor({7.f, 4.f})}}};
  // s u + (1 - s) c + bias: 7 + .5 and .5 * 30 + .5 * 4 + .25
  CHECK(ablated(model, weights, x, ablation).equal(at::tensor({7.5f, 17.25f}).view({1, 2})));
}

TEST_CASE("under a batch norm's name the ablation acts on its output") {
  const TestModel model = every_layer();
  const Weights weights = some_weights(model, 14);
  const at::Tensor x = normal({3, 2, 9, 8}, 15);
  Weights silent{weights.parameters.clone(), weights.buffers};
  model.parameters().view(silent.parameters, "norm.weight")[2] = 0;
  model.parameters().view(silent.parameters, "norm.bias")[2] = 0;
  at::Tensor keep = at::ones({6});
  keep[2] = 0;
  CHECK(difference(ablated(model, weights, x, {{{"norm", keep}}, {}}), plain(model, silent, x)) <
        1e-5);
}

// ---- batch norm
// -----------------------------------------------------------------------------------------------------

TestModel only_batch_norm(std::int64_t channels, bool with_relu) {
  ParameterLayout parameters, buffers;
  add_batch_norm(parameters, buffers, "norm", channels);
  return TestModel(
      parameters, buffers,
      [with_relu](const TestModel& model, const Weights& weights, const at::Tensor& x, Pass& pass) {
        return batch_norm(pass, model, weights, "norm", x * 1, with_relu);
      });
}

struct BatchNormResult {
  at::Tensor output, input_gradient, parameter_gradient, buffers;
};

BatchNormResult through(const Model& model, const Weights& start, const at::Tensor& x,
                        const at::Tensor& output_gradient, bool training) {
  const Weights weights{start.parameters.detach().clone().requires_grad_(), start.buffers.clone()};
  const at::Tensor input = x.detach().requires_grad_();
  Pass pass;
  pass.training = training;
  const at::Tensor y = model.forward(weights, input, pass);
  const auto gradients = torch::autograd::grad({y}, {input, weights.parameters}, {output_gradient});
  return {y.detach(), gradients[0], gradients[1], weights.buffers};
}

/// at::batch_norm and ReLU in float64.
BatchNormResult reference(const Weights& start, const at::Tensor& x,
                          const at::Tensor& output_gradient, bool training, bool with_relu) {
  const std::int64_t c = x.size(1);
  const at::Tensor flat = start.parameters.to(at::kDouble).requires_grad_(),
                   buffers = start.buffers.to(at::kDouble);
  const at::Tensor input = x.detach().to(at::kDouble).requires_grad_();
  at::Tensor y =
      at::batch_norm(input, flat.narrow(0, 0, c), flat.narrow(0, c, c), buffers.narrow(0, 0, c),
                     buffers.narrow(0, c, c), training, 0.1, 1e-5, false);
  if (with_relu) y = y.relu();
  const auto gradients =
      torch::autograd::grad({y}, {input, flat}, {output_gradient.to(at::kDouble)});
  return {y.detach(), gradients[0], gradients[1], buffers};
}

TEST_CASE("fused batch norm is torch's: outputs, gradients, running statistics") {
  const std::vector<std::vector<std::int64_t>> shapes = {
      {8, 16, 6, 6}, {3, 5, 7, 5}, {2, 32, 3, 3}, {4, 64, 33, 17}, {2, 100, 5, 5}, {9, 24}};
  for (const auto& shape : shapes) {
    for (const bool training : {true, false}) {
      for (const bool with_relu : {true, false}) {
        CAPTURE(shape.size());
        CAPTURE(shape[1]);
        CAPTURE(training);
        CAPTURE(with_relu);
        const TestModel model = only_batch_norm(shape[1], with_relu);
        const Weights weights = some_weights(model, 21);
        at::Tensor x = normal(shape, 22) * 3 + 5, dy = normal(shape, 23);
        if (x.dim() == 4) x = x.contiguous(kChannelsLast);
        const BatchNormResult got = through(model, weights, x, dy, training);
        const BatchNormResult expected = reference(weights, x, dy, training, with_relu);
        CHECK(difference(got.output, expected.output) < 2e-5);
        CHECK(difference(got.input_gradient, expected.input_gradient) <=
              2e-5 * largest(expected.input_gradient));
        CHECK(difference(got.parameter_gradient, expected.parameter_gradient) <=
              1e-5 * largest(expected.parameter_gradient));
        CHECK(difference(got.buffers, expected.buffers) < 1e-5);
      }
    }
  }
}

TEST_CASE("a large common offset does not spoil the variance") {
  const TestModel model = only_batch_norm(8, false);
  const Weights weights{at::cat({at::ones({8}), at::zeros({8})}), at::zeros({16})};
  const at::Tensor x = (normal({16, 8, 12, 12}, 31) + 1000).contiguous(kChannelsLast);
  const BatchNormResult got = through(model, weights, x, at::ones({16, 8, 12, 12}), true);
  const BatchNormResult expected = reference(weights, x, at::ones({16, 8, 12, 12}), true, false);
  CHECK(difference(got.output, expected.output) < 2e-3);  // float32 holds 1000 + noise to 6e-5
  CHECK(difference(got.buffers.narrow(0, 8, 8), expected.buffers.narrow(0, 8, 8)) < 1e-4);
}

TEST_CASE("any number of threads gives the same bits") {
  const TestModel model = only_batch_norm(16, true);
  const Weights weights = some_weights(model, 41);
  const at::Tensor x = normal({32, 16, 31, 29}, 42).contiguous(kChannelsLast),
                   dy = normal({32, 16, 31, 29}, 43);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const BatchNormResult one = through(model, weights, x, dy, true);
  for (const int threads : {2, 3}) {
    CAPTURE(threads);
    at::set_num_threads(threads);
    const BatchNormResult many = through(model, weights, x, dy, true);
    CHECK(many.output.equal(one.output));
    CHECK(many.input_gradient.equal(one.input_gradient));
    CHECK(many.parameter_gradient.equal(one.parameter_gradient));
    CHECK(many.buffers.equal(one.buffers));
  }
  at::set_num_threads(before);
}

TEST_CASE("eval mode without gradients gives what it gives with them") {
  const TestModel model = only_batch_norm(16, true);
  const Weights weights = some_weights(model, 51);
  const at::Tensor x = normal({3, 16, 5, 5}, 52).contiguous(kChannelsLast);
  const at::NoGradGuard no_gradients;
  CHECK(difference(
            plain(model, weights, x),
            at::batch_norm(x, weights.parameters.narrow(0, 0, 16),
                           weights.parameters.narrow(0, 16, 16), weights.buffers.narrow(0, 0, 16),
                           weights.buffers.narrow(0, 16, 16), false, 0.1, 1e-5, false)
                .relu()) < 1e-5);
}

TEST_CASE("an input that the caller keeps is left alone") {
  ParameterLayout parameters, buffers;
  add_batch_norm(parameters, buffers, "norm", 4);
  at::Tensor kept;
  const TestModel model(
      parameters, buffers,
      [&](const TestModel& self, const Weights& weights, const at::Tensor& x, Pass& pass) {
        kept = x * 2;
        return batch_norm(pass, self, weights, "norm", kept, true);
      });
  const Weights weights = some_weights(model, 61);
  const at::Tensor x = normal({3, 4, 5, 5}, 62).contiguous(kChannelsLast);
  const at::Tensor input = x.clone().requires_grad_();
  Pass pass;
  pass.training = true;
  torch::autograd::grad({model.forward(weights, input, pass).sum()}, {input});
  CHECK(kept.equal(x * 2));
  const at::NoGradGuard no_gradients;
  Pass eval;
  model.forward(weights, x, eval);
  CHECK(kept.equal(x * 2));
}

TEST_CASE("where the gradient took the input's memory, a second backward pass is refused") {
  const TestModel model = only_batch_norm(4, true);
  const at::Tensor input = normal({3, 4, 5, 5}, 72).contiguous(kChannelsLast).requires_grad_();
  Pass pass;
  pass.training = true;
  const at::Tensor y = model.forward(some_weights(model, 71), input, pass).sum();
  torch::autograd::grad({y}, {input}, {}, /*retain_graph=*/true);
  CHECK_THROWS(torch::autograd::grad({y}, {input}));
}

TEST_CASE("what is not a number goes through the ReLU") {
  const TestModel model = only_batch_norm(4, true);
  at::Tensor x = normal({3, 4, 5, 5}, 82).contiguous(kChannelsLast);
  x[0][2][1][1] = std::numeric_limits<float>::quiet_NaN();
  Pass pass;
  pass.training = true;
  const at::Tensor y = model.forward(some_weights(model, 81), x, pass);
  CHECK(y.select(1, 2).isnan().all().item<bool>());
  CHECK_FALSE(y.select(1, 1).isnan().any().item<bool>());
}

}  // namespace
}  // namespace modeldiff
