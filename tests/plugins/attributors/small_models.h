#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "modeldiff/algorithm.h"
#include "modeldiff/layers.h"
#include "modeldiff/model.h"

/// Models that are small enough for known answers, and what attributors are called with beside
/// them.
namespace modeldiff::testing {

/// Standard normal numbers, float32.
inline at::Tensor normal(std::uint64_t seed, std::vector<std::int64_t> sizes, float scale = 1) {
  RandomStream random(seed, "test");
  at::Tensor out = at::empty(sizes);
  random.fill_normal(out.data_ptr<float>(), out.numel(), scale);
  return out;
}

class SmallModel : public Model {
 public:
  Weights initialise(RandomStream& random) const override {
    at::Tensor flat = at::empty({parameters_.count()});
    random.fill_normal(flat.data_ptr<float>(), flat.numel(), 0.3f);
    return {flat, {}};
  }
  std::vector<std::string> head() const override { return {}; }
  double forward_flops() const override { return 2.0 * static_cast<double>(parameters_.count()); }
};

/// One weight vector: logits (-u/2, u/2) with u = w.x, so that the log-odds margin is +-u. Computes
/// in the dtype of its weights.
class LogisticModel final : public SmallModel {
 public:
  explicit LogisticModel(std::int64_t inputs) { parameters_.add("score.weight", {1, inputs}); }

  at::Tensor forward(const Weights& weights, const at::Tensor& inputs, Pass& pass) const override {
    const at::Tensor u =
        linear(pass, *this, weights, "score", inputs.to(weights.parameters.scalar_type()));
    return at::cat({-0.5 * u, 0.5 * u}, 1);
  }
};

/// Linear layers with biases and ReLU between.
class MlpModel final : public SmallModel {
 public:
  explicit MlpModel(std::vector<std::int64_t> widths) {
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
      layers_.push_back("layer" + std::to_string(i));
      parameters_.add(layers_.back() + ".weight", {widths[i + 1], widths[i]});
      parameters_.add(layers_.back() + ".bias", {widths[i + 1]});
    }
  }

  at::Tensor forward(const Weights& weights, const at::Tensor& inputs, Pass& pass) const override {
    at::Tensor x = inputs.flatten(1);
    for (const std::string& layer : layers_) {
      x = linear(pass, *this, weights, layer, x);
      if (layer != layers_.back()) x = x.relu();
    }
    return x;
  }

 private:
  std::vector<std::string> layers_;
};

/// Convolutions (stride, padding, groups, bias), batch norm, and a linear layer at the end; inputs
/// [n, 3, 8, 8].
class ConvModel final : public SmallModel {
 public:
  ConvModel() {
    parameters_.add("conv1.weight", {6, 3, 3, 3});
    add_batch_norm(parameters_, buffers_, "norm1", 6);
    parameters_.add("conv2.weight", {8, 3, 3, 3});
    parameters_.add("conv2.bias", {8});
    parameters_.add("conv3.weight", {5, 8, 2, 2});
    parameters_.add("conv3.bias", {5});
    parameters_.add("head.weight", {4, 5});
    parameters_.add("head.bias", {4});
  }

  Weights initialise(RandomStream& random) const override {
    Weights out = SmallModel::initialise(random);
    out.buffers = at::zeros({buffers_.count()});
    buffers_.view(out.buffers, "norm1.variance").fill_(1.3);
    buffers_.view(out.buffers, "norm1.mean").fill_(0.1);
    return out;
  }

  at::Tensor forward(const Weights& weights, const at::Tensor& inputs, Pass& pass) const override {
    at::Tensor x = conv2d(pass, *this, weights, "conv1", inputs, 1, 1);
    x = batch_norm(pass, *this, weights, "norm1", x, true);
    x = conv2d(pass, *this, weights, "conv2", x, 2, 1, 2).relu();
    x = conv2d(pass, *this, weights, "conv3", x).relu();
    return linear(pass, *this, weights, "head", x.mean({2, 3}));
  }
};

/// A tape that does not see all of the model.
class HalfTapedModel final : public SmallModel {
 public:
  HalfTapedModel() {
    parameters_.add("seen.weight", {2, 3});
    parameters_.add("unseen", {2});
  }
  at::Tensor forward(const Weights& weights, const at::Tensor& inputs, Pass& pass) const override {
    return linear(pass, *this, weights, "seen", inputs) + parameter(pass, weights, "unseen");
  }
};

class QuietProgress final : public Progress {
 public:
  void update(double, const std::string&) override {}
  void check_stop() const override {}
};

/// A model with weights, and examples for it.
struct Fixture {
  DataFacts facts;
  Predictor predictor;
  Weights weights;
  Examples train, queries;
  std::vector<Checkpoint> checkpoints;
  QuietProgress progress;
};

inline Examples drawn_examples(std::uint64_t seed, std::vector<std::int64_t> sizes,
                               std::int64_t classes) {
  Examples out;
  out.inputs = normal(seed, sizes).sigmoid();
  out.targets = at::empty({sizes[0]}, at::kLong);
  RandomStream random(seed, "labels");
  for (std::int64_t i = 0; i < sizes[0]; ++i) {
    out.targets[i] = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(classes)));
  }
  return out;
}

/// @param sizes of the training inputs; queries have `queries` rows
inline std::unique_ptr<Fixture> make_fixture(std::shared_ptr<const Model> model,
                                             std::vector<std::int64_t> sizes, std::int64_t queries,
                                             std::int64_t classes, std::uint64_t seed = 1) {
  auto out = std::make_unique<Fixture>();
  RandomStream random(seed, "weights");
  out->weights = model->initialise(random);
  out->predictor.model = std::move(model);
  out->facts.outputs = classes;
  out->facts.input_shape.assign(sizes.begin() + 1, sizes.end());
  out->train = drawn_examples(seed + 1, sizes, classes);
  sizes[0] = queries;
  out->queries = drawn_examples(seed + 2, sizes, classes);
  return out;
}

inline double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

/// |a - b| over |b|, all entries as one vector.
inline double relative_distance(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

}  // namespace modeldiff::testing
