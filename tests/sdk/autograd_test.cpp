#include "modeldiff/autograd.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "modeldiff/core/error.h"
#include "test_models.h"

namespace modeldiff {
namespace {

TestModel convolution_net() {
  ParameterLayout parameters, buffers;
  parameters.add("conv.weight", {4, 2, 3, 3});
  add_batch_norm(parameters, buffers, "norm", 4);
  parameters.add("unused.weight", {3});
  parameters.add("head.weight", {3, 4});
  return TestModel(
      parameters, buffers,
      [](const TestModel& model, const Weights& weights, const at::Tensor& x, Pass& pass) {
        const at::Tensor y = batch_norm(pass, model, weights, "norm",
                                        conv2d(pass, model, weights, "conv", x, 1, 1), true);
        return linear(pass, model, weights, "head", y.amax({2, 3}));
      });
}

at::Tensor squares(const at::Tensor& outputs) { return outputs.square().sum(); }

TEST_CASE("gradients by leaves are those of the flat vector") {
  const TestModel model = convolution_net();
  RandomStream random(1);
  const Weights weights = model.initialise(random);
  const at::Tensor x = normal({6, 2, 5, 5}, 2).contiguous(at::MemoryFormat::ChannelsLast);

  const at::Tensor flat = weights.parameters.clone().requires_grad_();
  const at::Tensor buffers = weights.buffers.clone();
  Pass pass;
  pass.training = true;
  const at::Tensor loss = squares(model.forward({flat, buffers}, x, pass));
  const at::Tensor expected = torch::autograd::grad({loss}, {flat})[0];

  const LossGradient got = parameter_gradients(model, weights, x, squares);
  CHECK(difference(got.gradient, expected) <= 1e-5 * largest(expected));
  CHECK(got.loss.item<double>() == doctest::Approx(loss.item<double>()));
  CHECK_FALSE(got.loss.requires_grad());
  CHECK(difference(weights.buffers, buffers) < 1e-6);
}

TEST_CASE("a parameter that no output depends on has gradient 0, whatever the result held") {
  const TestModel model = convolution_net();
  RandomStream random(1);
  const Weights weights = model.initialise(random);
  const at::Tensor result = at::full({model.parameters().count()}, 7.f);
  const LossGradient got =
      parameter_gradients(model, weights, normal({6, 2, 5, 5}, 2), squares, result);
  CHECK(got.gradient.is_same(result));
  CHECK(largest(model.parameters().view(result, "unused.weight")) == 0);
  CHECK(largest(model.parameters().view(result, "conv.weight")) > 0);
}

TEST_CASE(
    "gradients are made where they are switched off around, and leave no trace on the weights") {
  const TestModel model = convolution_net();
  RandomStream random(1);
  const Weights weights = model.initialise(random);
  const at::NoGradGuard no_gradients;
  CHECK(largest(parameter_gradients(model, weights, normal({6, 2, 5, 5}, 2), squares).gradient) >
        0);
  CHECK_FALSE(weights.parameters.requires_grad());
}

TEST_CASE("a long gradient is scaled to the limit, a short one is left alone") {
  at::Tensor gradient = at::tensor({3.f, 4.f});
  CHECK(clip_gradient(gradient, 10) == doctest::Approx(5));
  CHECK(gradient.equal(at::tensor({3.f, 4.f})));
  CHECK(clip_gradient(gradient, 1) == doctest::Approx(5));
  CHECK(difference(gradient, at::tensor({0.6f, 0.8f})) < 1e-6);
}

TEST_CASE("steps of SGD follow their formula") {
  for (const bool nesterov : {false, true}) {
    CAPTURE(nesterov);
    const MlpSgd options{.momentum = 0.9, .weight_decay = 0.1, .nesterov = nesterov};
    at::Tensor w = at::tensor({1.f, -2.f}), m = at::zeros({2});
    double exact[2] = {1, -2}, velocity[2] = {0, 0};
    for (const double slope : {0.5, -1.0, 2.0}) {
      sgd_step(w, at::full({2}, static_cast<float>(slope)), m, 0.1, options);
      for (int i = 0; i < 2; ++i) {
        const double g = slope + 0.1 * exact[i];
        velocity[i] = 0.9 * velocity[i] + g;
        exact[i] -= 0.1 * (nesterov ? g + 0.9 * velocity[i] : velocity[i]);
      }
    }
    CHECK(w[0].item<double>() == doctest::Approx(exact[0]).epsilon(1e-6));
    CHECK(w[1].item<double>() == doctest::Approx(exact[1]).epsilon(1e-6));
  }
}

TEST_CASE("SGD without momentum needs no velocity") {
  at::Tensor w = at::tensor({1.f}), none;
  sgd_step(w, at::tensor({2.f}), none, 0.25, {});
  CHECK(w.item<float>() == 0.5f);
}

TEST_CASE("steps of AdamW follow their formula") {
  const MlpAdamW options{.beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-6, .weight_decay = 0.05};
  at::Tensor w = at::tensor({1.f}), first = at::zeros({1}), second = at::zeros({1});
  double exact = 1, m = 0, v = 0;
  std::int64_t step = 0;
  for (const double g : {0.5, -1.0, 2.0}) {
    adamw_step(w, at::full({1}, static_cast<float>(g)), first, second, 0.1, options, ++step);
    m = 0.8 * m + 0.2 * g;
    v = 0.9 * v + 0.1 * g * g;
    exact = (1 - 0.1 * 0.05) * exact - 0.1 * (m / (1 - std::pow(0.8, step))) /
                                           (std::sqrt(v / (1 - std::pow(0.9, step))) + 1e-6);
  }
  CHECK(w.item<double>() == doctest::Approx(exact).epsilon(1e-6));
}

TEST_CASE("a gradient of another size is our bug") {
  at::Tensor w = at::zeros({3}), none;
  CHECK_THROWS_AS(sgd_step(w, at::zeros({2}), none, 0.1, {}), InternalError);
}

}  // namespace
}  // namespace modeldiff
