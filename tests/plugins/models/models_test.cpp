#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <fstream>
#include <memory>
#include <string>

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

/// [shape] scale * sin(.37 i + shift) of the numbers i of a tensor, as tests/baselines/resnet.py draws
/// weights and images.
at::Tensor sines(at::IntArrayRef shape, std::int64_t shift, double scale) {
  const at::Tensor numbers = at::arange(c10::multiply_integers(shape), at::kDouble);
  return (scale * at::sin(0.37 * numbers + static_cast<double>(shift))).to(at::kFloat).view(shape);
}

TEST_CASE("a resnet answers as torchvision's with the same weights") {
  std::ifstream file(MODELDIFF_SOURCE_DIR "/tests/baselines/resnet.json");
  for (const Json& known : Json::parse(file).at("models")) {
    CAPTURE(known.at("name").get<std::string>());
    CHECK(parameters_of("resnet", {{3, 224, 224}, 1000}, known.at("params")) ==
          known.at("parameters_of_a_thousand_classes"));
    const std::shared_ptr<const Model> model =
        build_model("resnet", {{3, 37, 45}, 5}, known.at("params"));
    Weights weights{at::zeros({model->parameters().count()}),
                    at::zeros({model->buffers().count()})};
    std::int64_t number = 0;
    for (const ParameterLayout::Entry& entry : model->parameters().entries()) {
      at::Tensor tensor = model->parameters().view(weights.parameters, entry);
      const bool vector = entry.shape.size() == 1;
      const double scale = vector ? 0.2 : 1.5 / std::sqrt(static_cast<double>(tensor[0].numel()));
      tensor.copy_(sines(entry.shape, number++, scale));
      if (vector && entry.name.ends_with("weight")) tensor += 1;
    }
    number = 0;  // of a norm's three: mean, variance and a counter
    for (const ParameterLayout::Entry& entry : model->buffers().entries()) {
      const bool mean = entry.name.ends_with("mean");
      model->buffers()
          .view(weights.buffers, entry)
          .copy_(sines(entry.shape, number, mean ? 0.2 : 0.3) + (mean ? 0 : 1));
      number += mean ? 1 : 2;
    }
    const at::Tensor logits = Predictor{model, {}}.outputs(weights, sines({2, 3, 37, 45}, 0, 1));
    for (std::int64_t i = 0; i < 2; ++i) {
      for (std::int64_t c = 0; c < 5; ++c) {
        CHECK(std::abs(logits[i][c].item<double>() -
                       known.at("logits")[static_cast<std::size_t>(i)][static_cast<std::size_t>(c)]
                           .get<double>()) < 2e-4);
      }
    }
  }
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
  check_refused(
      "resnet", {{3, 32, 31}, 10},
      "'resnet' takes images of at least 32 x 32 pixels, these have 32 x 31; 'resnet9' and "
      "'cnn' take smaller ones");
}

}  // namespace
}  // namespace modeldiff
