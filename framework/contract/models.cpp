// What holds for every model. The cases name the shape of the inputs.
#include <torch/csrc/autograd/autograd.h>

#include "contract/fixtures.h"
#include "modeldiff/autograd.h"
#include "modeldiff/layers.h"
#include "modeldiff/measurement.h"

namespace modeldiff::contract::models {
namespace {

constexpr std::int64_t kRows = 11;

struct Built {
  std::shared_ptr<const Model> model;
  Weights weights;
  at::Tensor inputs;

  Predictor predictor() const { return {model, {}}; }
};

std::shared_ptr<const Model> build(const Case& some) {
  return subject().make<Architecture>(some)->build({some.input_shape, some.outputs});
}

/// Calls `law` with each model, its weights (running statistics moved away from their start) and
/// inputs.
template <typename Law>
void for_each_model(Law law) {
  for_each_case([&](const Case& some) {
    Built built{build(some), {}, {}};
    RandomStream random(3, "initialise");
    built.weights = built.model->initialise(random);
    std::vector<std::int64_t> shape = some.input_shape;
    shape.insert(shape.begin(), kRows);
    built.inputs = normal(shape, 4);
    if (built.weights.buffers.defined()) {
      Pass pass;
      pass.training = true;
      const at::NoGradGuard no_gradients;
      built.model->forward(built.weights, built.inputs, pass);
    }
    law(some, built);
  });
}

double tolerance(const at::Tensor& values) { return 1e-5 * (1 + largest(values)); }
double difference(const at::Tensor& a, const at::Tensor& b) { return largest(a - b); }

TEST_SUITE("models") {
  TEST_CASE("a model gives one finite row of outputs for each input") {
    for_each_model([](const Case& some, const Built& built) {
      const at::Tensor outputs = built.predictor().outputs(built.weights, built.inputs);
      CHECK(outputs.sizes() == at::IntArrayRef({kRows, some.outputs}));
      CHECK(is_finite(outputs));
      CHECK(outputs.std().item<double>() > 0);
    });
  }

  TEST_CASE("the same seed gives the same bytes, another seed others") {
    for_each_case([](const Case& some) {
      const auto weights = [&](std::uint64_t seed) {
        RandomStream random(seed, "initialise");
        return build(some)->initialise(random).parameters;
      };
      CHECK(same_bytes(weights(5), weights(5)));
      CHECK_FALSE(same_bytes(weights(5), weights(6)));
    });
  }

  TEST_CASE("weights fill the layout") {
    for_each_model([](const Case&, const Built& built) {
      const auto& [model, weights, inputs] = built;
      CHECK(weights.parameters.sizes() == at::IntArrayRef({model->parameters().count()}));
      CHECK((weights.parameters.scalar_type() == at::kFloat));
      CHECK((weights.buffers.defined() ? weights.buffers.numel() : 0) == model->buffers().count());
      for (const std::string& name : model->head()) CHECK(model->parameters().contains(name));
      CHECK_FALSE(model->head().empty());
    });
  }

  TEST_CASE("the batch size changes nothing beyond rounding") {
    for_each_model([](const Case&, const Built& built) {
      const at::Tensor all = built.predictor().outputs(built.weights, built.inputs);
      for (const std::int64_t batch : {1, 4}) {
        CHECK(difference(built.predictor().outputs(built.weights, built.inputs, batch), all) <
              tolerance(all));
      }
    });
  }

  TEST_CASE("a permutation of the inputs permutes the outputs") {
    for_each_model([](const Case&, const Built& built) {
      const at::Tensor order = at::arange(kRows).flip(0);
      const at::Tensor all = built.predictor().outputs(built.weights, built.inputs);
      const at::Tensor permuted =
          built.predictor().outputs(built.weights, built.inputs.index_select(0, order));
      CHECK(difference(permuted, all.index_select(0, order)) < tolerance(all));
    });
  }

  TEST_CASE("a stack answers as its models do one by one") {
    for_each_model([](const Case&, const Built& built) {
      const auto& [model, weights, inputs] = built;
      const at::Tensor parameters =
          at::stack({weights.parameters, weights.parameters * 0.5, weights.parameters * -1});
      const at::Tensor buffers =
          weights.buffers.defined() ? weights.buffers.expand({3, -1}).contiguous() : at::Tensor();
      const Weights stack{parameters, buffers};
      const at::Tensor fast = built.predictor().outputs_stacked(stack, inputs);
      at::Tensor batched;
      {
        const at::NoGradGuard no_gradients;
        batched = model->forward_stacked(stack, inputs);
      }
      for (std::int64_t m = 0; m < 3; ++m) {
        CAPTURE(m);
        const at::Tensor alone =
            built.predictor().outputs({parameters[m], weights.buffers}, inputs);
        CHECK(difference(fast[m], alone) < tolerance(alone));
        CHECK(difference(batched[m], alone) < tolerance(alone));
      }
    });
  }

  TEST_CASE("the kernels for perceptrons answer as the layers do") {
    for_each_model([](const Case&, const Built& built) {
      if (!built.model->mlp_shape()) return;
      CHECK(built.model->mlp_shape()->parameter_count() == built.model->parameters().count());
      Pass pass;
      const at::Tensor layers = built.model->forward(built.weights, built.inputs, pass);
      CHECK(difference(built.predictor().outputs(built.weights, built.inputs), layers) <
            tolerance(layers));
    });
  }

  TEST_CASE("per-example gradients from the tape are those of batches of one") {
    for_each_model([](const Case& some, const Built& built) {
      const auto& [model, weights, inputs] = built;
      const at::Tensor labels = at::arange(kRows).remainder(some.outputs);
      LayerTape tape;
      Pass taped;
      taped.tape = &tape;
      const auto deltas = tape.output_gradients(
          log_odds_margin(model->forward(weights, inputs, taped), labels).sum());
      at::Tensor got = at::zeros({kRows, model->parameters().count()});
      std::int64_t covered = 0;
      for (std::size_t i = 0; i < deltas.size(); ++i) {
        const at::Tensor gradient = per_example_gradients(tape.records()[i], deltas[i]);
        const std::int64_t offset =
            model->parameters().at(tape.records()[i].name + ".weight").offset;
        got.narrow(1, offset, gradient.size(1)).copy_(gradient);
        covered += gradient.size(1);
      }
      CHECK(covered == model->parameters().count());
      for (const std::int64_t i : {0, 6}) {
        CAPTURE(i);
        const at::Tensor flat = weights.parameters.clone().requires_grad_();
        Pass pass;
        const at::Tensor outputs =
            model->forward({flat, weights.buffers}, inputs.narrow(0, i, 1), pass);
        const at::Tensor margin = log_odds_margin(outputs, labels.narrow(0, i, 1));
        const at::Tensor expected = torch::autograd::grad({margin.sum()}, {flat})[0];
        CHECK(difference(got[i], expected) <= 2e-5 * largest(expected));
      }
    });
  }

  TEST_CASE("gradient steps lower the loss") {
    for_each_model([](const Case& some, const Built& built) {
      const at::Tensor labels = at::arange(kRows).remainder(some.outputs);
      const auto loss = [&](const at::Tensor& outputs) {
        return at::cross_entropy_loss(outputs, labels);
      };
      Weights weights{built.weights.parameters.clone(), built.weights.buffers};
      at::Tensor none;
      double first = 0, last = 0;
      for (int step = 0; step < 30; ++step) {
        const LossGradient batch = parameter_gradients(*built.model, weights, built.inputs, loss);
        last = batch.loss.item<double>();
        if (step == 0) first = last;
        sgd_step(weights.parameters, batch.gradient, none, 0.02, {});
      }
      CHECK(last < 0.98 * first);
    });
  }

  TEST_CASE("features are what the last layer sees") {
    for_each_model([](const Case&, const Built& built) {
      LayerTape tape;
      Pass pass;
      pass.tape = &tape;
      pass.want_features = true;
      built.model->forward(built.weights, built.inputs, pass);
      CHECK(pass.features.detach().equal(tape.records().back().input));
      Pass quiet;
      built.model->forward(built.weights, built.inputs, quiet);
      CHECK_FALSE(quiet.features.defined());
    });
  }

}  // TEST_SUITE

}  // namespace
}  // namespace modeldiff::contract::models
