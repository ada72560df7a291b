#include "modeldiff/model.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "modeldiff/core/error.h"
#include "test_models.h"

namespace modeldiff {
namespace {

/// Two linear layers with ReLU between.
TestModel two_layers() {
  ParameterLayout parameters;
  parameters.add("first.weight", {4, 3});
  parameters.add("first.bias", {4});
  parameters.add("second.weight", {2, 4});
  return TestModel(
      parameters, {},
      [](const TestModel& model, const Weights& weights, const at::Tensor& x, Pass& pass) {
        return linear(pass, model, weights, "second",
                      relu(pass, linear(pass, model, weights, "first", x)));
      });
}

TEST_CASE("a layout places its tensors one after the other") {
  ParameterLayout layout;
  CHECK(layout.add("a", {2, 3}) == 0);
  CHECK(layout.add("b", {}) == 1);
  CHECK(layout.add("c", {4}) == 2);
  CHECK(layout.count() == 11);
  CHECK(layout.at("b").offset == 6);
  CHECK(layout.at("c").offset == 7);
  CHECK(layout.index("c") == 2);
  const at::Tensor flat = at::arange(11);
  CHECK(layout.view(flat, "a").equal(at::arange(6).view({2, 3})));
  CHECK(layout.view(flat, "c").equal(at::arange(7, 11)));
  const at::Tensor stack = at::stack({flat, flat + 100});
  CHECK(layout.view(stack, "a").sizes() == at::IntArrayRef({2, 2, 3}));
  CHECK(layout.view(stack, "a")[1].equal(at::arange(100, 106).view({2, 3})));
}

TEST_CASE("a view writes through to the flat vector") {
  ParameterLayout layout;
  layout.add("a", {2});
  layout.add("b", {2, 2});
  const at::Tensor flat = at::zeros({6});
  layout.view(flat, "b")[1][0] = 5;
  CHECK(flat.equal(at::tensor({0.f, 0.f, 0.f, 0.f, 5.f, 0.f})));
}

TEST_CASE("an unknown or repeated name is our bug") {
  ParameterLayout layout;
  layout.add("a", {2});
  CHECK_THROWS_AS(layout.at("b"), InternalError);
  CHECK_THROWS_AS(layout.add("a", {3}), InternalError);
  CHECK_FALSE(layout.contains("b"));
}

TEST_CASE("outputs do not depend on the batch size") {
  auto model = std::make_shared<TestModel>(two_layers());
  RandomStream random(1);
  const Weights weights = model->initialise(random);
  Predictor predictor{model, {}};
  predictor.view.mean = {0.5f, 0.f, 1.f};
  const at::Tensor x = normal({7, 3}, 2);
  const at::Tensor all = predictor.outputs(weights, x);
  CHECK(all.sizes() == at::IntArrayRef({7, 2}));
  for (const std::int64_t batch : {1, 3, 7}) {
    CAPTURE(batch);
    CHECK(difference(predictor.outputs(weights, x, batch), all) < 1e-6);
  }
  CHECK(predictor.outputs(weights, x.narrow(0, 0, 0)).sizes() == at::IntArrayRef({0, 2}));
}

TEST_CASE("outputs can take part in a graph afterwards") {
  auto model = std::make_shared<TestModel>(two_layers());
  RandomStream random(1);
  const Predictor predictor{model, {}};
  const at::Tensor outputs = predictor.outputs(model->initialise(random), normal({2, 3}, 2));
  CHECK_FALSE(outputs.requires_grad());
  CHECK_FALSE(outputs.is_inference());
}

TEST_CASE("a stack answers as its models do one by one") {
  auto model = std::make_shared<TestModel>(two_layers());
  const Predictor predictor{model, {}};
  const at::Tensor parameters = normal({3, model->parameters().count()}, 5), x = normal({5, 3}, 6);
  const at::Tensor stacked = predictor.outputs_stacked({parameters, {}}, x, 2);
  REQUIRE(stacked.sizes() == at::IntArrayRef({3, 5, 2}));
  for (std::int64_t m = 0; m < 3; ++m) {
    CAPTURE(m);
    CHECK(difference(stacked[m], predictor.outputs({parameters[m], {}}, x)) < 1e-6);
  }
}

TEST_CASE("weights of another size are refused with both sizes") {
  const Predictor predictor{std::make_shared<TestModel>(two_layers()), {}};
  CHECK_THROWS_WITH_AS(predictor.outputs({at::zeros({23}), {}}, at::zeros({1, 3})),
                       "weights must be [24], got [23] float32", ShapeError);
  CHECK_THROWS_WITH_AS(predictor.outputs_stacked({at::zeros({24}), {}}, at::zeros({1, 3})),
                       "weights must be [models, 24], got [24] float32", ShapeError);
}

}  // namespace
}  // namespace modeldiff
