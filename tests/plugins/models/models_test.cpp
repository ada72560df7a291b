#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>

#include "../../sdk/test_models.h"
#include "model_plugin.h"
#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

std::int64_t parameters_of(const std::string& plugin, const ModelSpec& spec,
                           const Json& params = Json::object()) {
  return build_model(plugin, spec, params)->parameters().count();
}

at::Tensor initial(const Model& model, const std::string& name) {
  RandomStream random(7, "initialise");
  return model.parameters().view(model.initialise(random).parameters, name);
}

const ModelSpec kCifar = {{3, 32, 32}, 10};

TEST_CASE("the models have the sizes that their descriptions say") {
  CHECK(parameters_of("linear", {{784}, 10}) == 7850);
  CHECK(parameters_of("linear", {{784}, 10}, {{"bias", false}}) == 7840);
  CHECK(parameters_of("mlp", {{1, 8, 8}, 10}) == 64 * 64 + 64 + 64 * 10 + 10);
  CHECK(parameters_of("mlp", {{784}, 10}, {{"hidden", {128, 64}}}) ==
        784 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10);
  CHECK(parameters_of("cnn", kCifar) == 24234);
  CHECK(parameters_of("resnet9", kCifar) == 143248);
  CHECK(parameters_of("resnet9", kCifar, {{"width", 1.0}}) == 2274880);
  CHECK(parameters_of("resnet9", kCifar, {{"channels", {16, 32, 64, 64}}}) == 162064);
}

TEST_CASE("operations of a forward pass are twice the multiplications") {
  CHECK(build_model("linear", {{784}, 10})->forward_flops() == 2 * 7840);
  CHECK(build_model("mlp", {{64}, 10})->forward_flops() == 2 * (64 * 64 + 640));
  CHECK(build_model("cnn", kCifar)->forward_flops() ==
        2.0 * (1024 * 27 * 16 + 64 * 144 * 32 + 16 * 288 * 64 + 640));
  CHECK(build_model("resnet9", kCifar, {{"channels", {16, 32, 64, 64}}})->forward_flops() ==
        2.0 * (1024 * 27 * 16 + 256 * 400 * 32 + 2 * 256 * 288 * 32 + 256 * 288 * 64 +
               2 * 64 * 576 * 64 + 36 * 576 * 64 + 640));
}

TEST_CASE(
    "normal initialisation has deviation sqrt(2 / fan-in), in the last layer sqrt(1 / fan-in), and "
    "biases 0") {
  const auto model = build_model("mlp", {{784}, 100}, {{"hidden", {256}}});
  // Standard error of a deviation from k numbers: 1 / sqrt(2 k), here below 0.5 %.
  CHECK(initial(*model, "hidden1.weight").std().item<double>() ==
        doctest::Approx(std::sqrt(2.0 / 784)).epsilon(0.02));
  CHECK(initial(*model, "head.weight").std().item<double>() ==
        doctest::Approx(std::sqrt(1.0 / 256)).epsilon(0.02));
  CHECK(largest(initial(*model, "hidden1.bias")) == 0);
  CHECK(largest(initial(*model, "head.bias")) == 0);
}

TEST_CASE("uniform initialisation fills +-sqrt(1 / fan-in), biases too") {
  const auto model = build_model("cnn", kCifar, {{"init", "uniform"}});
  for (const char* tensor : {"conv3.weight", "conv3.bias"}) {
    CAPTURE(tensor);
    const double bound = std::sqrt(1.0 / (32 * 9));
    CHECK(largest(initial(*model, tensor)) <= bound);
    CHECK(largest(initial(*model, tensor)) > 0.9 * bound);
  }
}

TEST_CASE("batch norm starts as the identity on normalised values") {
  const auto model = build_model("resnet9", kCifar);
  RandomStream random(1);
  const Weights weights = model->initialise(random);
  for (const char* block : {"prep", "skip2.second", "last"}) {
    CAPTURE(block);
    const std::string norm = std::string(block) + ".norm";
    CHECK(model->parameters().view(weights.parameters, norm + ".weight").eq(1).all().item<bool>());
    CHECK(model->parameters().view(weights.parameters, norm + ".bias").eq(0).all().item<bool>());
    CHECK(model->buffers().view(weights.buffers, norm + ".mean").eq(0).all().item<bool>());
    CHECK(model->buffers().view(weights.buffers, norm + ".variance").eq(1).all().item<bool>());
  }
}

TEST_CASE("the output scale multiplies the logits") {
  const at::Tensor x = normal({2, 3, 32, 32}, 1);
  const auto outputs = [&](double scale) {
    std::shared_ptr<const Model> model = build_model("resnet9", kCifar, {{"output_scale", scale}});
    RandomStream random(1);
    return Predictor{model, {}}.outputs(model->initialise(random), x);
  };
  CHECK(difference(outputs(0.125) * 8, outputs(1.0)) < 1e-6);
}

TEST_CASE("a linear model answers W x + b") {
  std::shared_ptr<const Model> model = build_model("linear", {{2}, 1});
  const Weights weights{at::tensor({2.f, -1.f, 0.5f}), {}};
  CHECK(Predictor{model, {}}.outputs(weights, at::tensor({3.f, 4.f}).view({1, 2})).item<float>() ==
        2.5f);
}

void check_refused(const std::string& plugin, const ModelSpec& spec, const std::string& text) {
  CAPTURE(plugin);
  try {
    build_model(plugin, spec);
    FAIL("built");
  } catch (const ConfigError& error) {
    REQUIRE(error.diagnostics().size() == 1);
    CHECK(error.diagnostics()[0].path == "plugin");
    CHECK(error.diagnostics()[0].message == text);
  }
}

TEST_CASE("inputs that a model cannot take are refused, with one that can") {
  check_refused("cnn", {{64}, 10},
                "'cnn' takes images, but the data are a table; 'mlp' and 'linear' take tables");
  check_refused("resnet9", {{64}, 10},
                "'resnet9' takes images, but the data are a table; 'mlp' and 'linear' take tables");
  check_refused("cnn", {{1, 1, 8}, 10},
                "'cnn' takes images of at least 2 x 2 pixels, these have 1 x 8");
  check_refused("resnet9", {{1, 8, 8}, 10},
                "'resnet9' takes images of at least 11 x 11 pixels, these have 8 x 8; 'cnn' takes "
                "smaller ones");
}

}  // namespace
}  // namespace modeldiff
