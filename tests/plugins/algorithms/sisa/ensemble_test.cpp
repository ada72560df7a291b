#include "plugins/algorithms/sisa/ensemble.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "modeldiff/core/random.h"
#include "linear_model.h"
#include "modeldiff/layers.h"

namespace modeldiff::sisa {
namespace {

std::shared_ptr<const Model> linear_shard() { return std::make_shared<LinearForTest>(4, 3); }

struct Some {
  std::shared_ptr<const Model> shard = linear_shard();
  at::Tensor inputs = at::linspace(-1, 1, 20).view({5, 4});
  Weights weights;

  explicit Some(const Ensemble& ensemble) {
    RandomStream random(4);
    weights = ensemble.initialise(random);
  }
  at::Tensor of_shard(std::int64_t s) const {
    Pass pass;
    return shard->forward({weights.parameters.slice(0, 15 * s, 15 * (s + 1)), {}}, inputs, pass);
  }
  at::Tensor of(const Ensemble& ensemble) const {
    Pass pass;
    return ensemble.forward(weights, inputs, pass);
  }
};

TEST_CASE("an ensemble predicts the mean of its shards' probabilities") {
  const Ensemble ensemble(linear_shard(), 3, Task::classification);
  Some some(ensemble);
  CHECK(ensemble.parameters().count() == 45);
  const at::Tensor mean =
      (some.of_shard(0).softmax(1) + some.of_shard(1).softmax(1) + some.of_shard(2).softmax(1)) / 3;
  CHECK(at::allclose(some.of(ensemble).softmax(1), mean, 1e-5, 1e-6));

  some.weights.buffers = at::tensor({1.f, 0.f, 1.f});
  const at::Tensor of_two = (some.of_shard(0).softmax(1) + some.of_shard(2).softmax(1)) / 2;
  CHECK(at::allclose(some.of(ensemble).softmax(1), of_two, 1e-5, 1e-6));
}

TEST_CASE("in a regression it predicts their mean") {
  const Ensemble ensemble(linear_shard(), 2, Task::regression);
  Some some(ensemble);
  CHECK(at::allclose(some.of(ensemble), (some.of_shard(0) + some.of_shard(1)) / 2, 1e-5, 1e-6));
}

TEST_CASE("its layers are recorded under the names of its parameters, with their gradients") {
  const Ensemble ensemble(linear_shard(), 2, Task::classification);
  const Some some(ensemble);
  LayerTape tape;
  Pass pass;
  pass.tape = &tape;
  const at::Tensor scalar = ensemble.forward(some.weights, some.inputs, pass).select(1, 0).sum();
  REQUIRE(tape.records().size() == 2);
  const std::vector<at::Tensor> gradients = tape.output_gradients(scalar);
  const at::Tensor flat = some.weights.parameters.clone().requires_grad_();
  Pass plain;
  ensemble.forward({flat, some.weights.buffers}, some.inputs, plain).select(1, 0).sum().backward();
  for (std::size_t i = 0; i < 2; ++i) {
    const LayerRecord& record = tape.records()[i];
    const auto& entry = ensemble.parameters().at(record.name + ".weight");
    const at::Tensor by_tape = per_example_gradients(record, gradients[i]).sum(0);
    CHECK(at::allclose(by_tape, flat.grad().slice(0, entry.offset, entry.offset + 15), 1e-4, 1e-5));
  }
}

TEST_CASE("leaves of a backward pass stand in for the weights") {
  const Ensemble ensemble(linear_shard(), 2, Task::classification);
  const Some some(ensemble);
  std::vector<at::Tensor> leaves;
  for (const auto& entry : ensemble.parameters().entries())
    leaves.push_back(ensemble.parameters().view(some.weights.parameters, entry));
  Pass pass;
  pass.leaves = &leaves;
  CHECK(ensemble.forward(some.weights, some.inputs, pass).equal(some.of(ensemble)));
}

}  // namespace
}  // namespace modeldiff::sisa
