#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "modeldiff/algorithm.h"
#include "modeldiff/core/random.h"
#include "modeldiff/layers.h"
#include "modeldiff/plugin_factory.h"
#include "plugins/algorithms/sgd/sgd_params.h"

extern "C" const modeldiff::PluginInfo* modeldiff_plugin_v1();

/// Small models and data for the tests of the learning algorithm `sgd`.
namespace modeldiff::testing {

/// Linear layers with ReLU between; `kernels` says whether it shows its shape to the fused kernels.
class TestMlp final : public Model {
 public:
  TestMlp(std::vector<std::int64_t> widths, bool kernels)
      : shape_{std::move(widths)}, kernels_(kernels) {
    for (std::int64_t l = 0; l < shape_.layers(); ++l) {
      parameters_.add(layer(l) + ".weight", {shape_.widths[l + 1], shape_.widths[l]});
      parameters_.add(layer(l) + ".bias", {shape_.widths[l + 1]});
    }
  }

  /// Normal with deviation sqrt(2 / fan-in), sqrt(1 / fan-in) in the last layer; biases 0.
  Weights initialise(RandomStream& random) const override {
    Weights weights{at::zeros({parameters_.count()}, at::kFloat), {}};
    for (std::int64_t l = 0; l < shape_.layers(); ++l) {
      const ParameterLayout::Entry& entry = parameters_.at(layer(l) + ".weight");
      const double gain = l + 1 == shape_.layers() ? 1 : 2;
      random.fill_normal(
          weights.parameters.mutable_data_ptr<float>() + entry.offset, entry.count,
          static_cast<float>(std::sqrt(gain / static_cast<double>(shape_.widths[l]))));
    }
    return weights;
  }

  at::Tensor forward(const Weights& weights, const at::Tensor& inputs, Pass& pass) const override {
    at::Tensor x = inputs.flatten(1);
    for (std::int64_t l = 0; l < shape_.layers(); ++l) {
      x = linear(pass, *this, weights, layer(l), x);
      if (l + 1 < shape_.layers()) x = x.relu();
    }
    return x;
  }

  std::optional<MlpShape> mlp_shape() const override {
    return kernels_ ? std::optional(shape_) : std::nullopt;
  }
  std::vector<std::string> head() const override {
    const std::string last = layer(shape_.layers() - 1);
    return {last + ".weight", last + ".bias"};
  }
  double forward_flops() const override { return 2.0 * static_cast<double>(parameters_.count()); }

 private:
  static std::string layer(std::int64_t l) { return "layer" + std::to_string(l); }

  MlpShape shape_;
  bool kernels_;
};

/// 3x3 convolution to 4 channels, batch norm, ReLU, mean over space, linear.
class TestConv final : public Model {
 public:
  TestConv(std::int64_t channels, std::int64_t outputs) {
    parameters_.add("conv.weight", {4, channels, 3, 3});
    add_batch_norm(parameters_, buffers_, "norm", 4);
    parameters_.add("head.weight", {outputs, 4});
    parameters_.add("head.bias", {outputs});
  }

  Weights initialise(RandomStream& random) const override {
    Weights weights{at::zeros({parameters_.count()}, at::kFloat),
                    at::zeros({buffers_.count()}, at::kFloat)};
    random.fill_normal(weights.parameters.mutable_data_ptr<float>(), parameters_.count(), 0.3f);
    parameters_.view(weights.parameters, "norm.weight").fill_(1);
    buffers_.view(weights.buffers, "norm.variance").fill_(1);
    return weights;
  }

  at::Tensor forward(const Weights& weights, const at::Tensor& inputs, Pass& pass) const override {
    const at::Tensor x = conv2d(pass, *this, weights, "conv", inputs, 1, 1);
    const at::Tensor y = batch_norm(pass, *this, weights, "norm", x, true).mean({2, 3});
    return linear(pass, *this, weights, "head", y);
  }

  std::vector<std::string> head() const override { return {"head.weight", "head.bias"}; }
  double forward_flops() const override { return 1e4; }
};

/// {plugin: mlp, hidden: [...], kernels: bool} or {plugin: conv}.
class TestArchitecture final : public Architecture {
 public:
  explicit TestArchitecture(Json params) : params_(std::move(params)) {}

  std::unique_ptr<Model> build(const ModelSpec& spec) const override {
    if (params_.at("plugin") == "conv") {
      if (spec.input_shape.size() != 3) throw ConfigError("width", "a convolution needs images");
      return std::make_unique<TestConv>(spec.input_shape[0], spec.outputs);
    }
    std::int64_t inputs = 1;
    for (const std::int64_t size : spec.input_shape) inputs *= size;
    std::vector<std::int64_t> widths{inputs};
    for (const Json& width : params_.at("hidden")) widths.push_back(width.get<std::int64_t>());
    widths.push_back(spec.outputs);
    return std::make_unique<TestMlp>(widths, params_.at("kernels").get<bool>());
  }

 private:
  Json params_;
};

class TestFactory final : public PluginFactory {
 public:
  std::unique_ptr<Plugin> create(const std::string&, const PluginChoice& choice) const override {
    return std::make_unique<TestArchitecture>(choice.params);
  }
};

class Quiet : public Progress {
 public:
  void update(double, const std::string&) override {}
  void check_stop() const override {}
};

inline PluginChoice mlp(std::vector<std::int64_t> hidden, bool kernels = true) {
  return {"mlp", {{"plugin", "mlp"}, {"hidden", hidden}, {"kernels", kernels}}};
}
inline PluginChoice conv() { return {"conv", {{"plugin", "conv"}}}; }

/// A learning algorithm as the host makes it: by the plugin's symbol, from checked JSON.
inline std::unique_ptr<LearningAlgorithm> make_sgd(const SgdParams& params) {
  std::unique_ptr<Plugin> made = modeldiff_plugin_v1()->create(SgdParams::schema().write(params));
  return std::unique_ptr<LearningAlgorithm>(dynamic_cast<LearningAlgorithm*>(made.release()));
}

struct Problem {
  DataFacts facts;
  Examples train;
};

/// Tables of normal inputs; classes by a linear rule with noise, or targets that are linear with
/// noise.
inline Problem table(std::int64_t n, std::int64_t columns, std::int64_t outputs, Task task,
                     std::uint64_t seed = 1) {
  RandomStream random(seed);
  Problem out;
  out.facts.name = "table";
  out.facts.task = task;
  out.facts.input_shape = {columns};
  out.facts.outputs = outputs;
  const auto draw = [&](std::vector<std::int64_t> shape, float scale) {
    at::Tensor x = at::empty(shape, at::kFloat);
    random.fill_normal(x.mutable_data_ptr<float>(), x.numel(), scale);
    return x;
  };
  out.train.inputs = draw({n, columns}, 1);
  const at::Tensor z =
      at::matmul(out.train.inputs, draw({columns, outputs}, 1)) + draw({n, outputs}, 0.3f);
  out.train.targets = task == Task::classification ? z.argmax(1) : z;
  return out;
}

/// Images [n, channels, height, width] uint8 of random pixels, whose class is a matter of their
/// mean.
inline Problem images(std::int64_t n, std::int64_t channels, std::int64_t height,
                      std::int64_t width, std::int64_t classes = 3, std::uint64_t seed = 1) {
  RandomStream random(seed);
  Problem out;
  out.facts.name = "images";
  out.facts.input_shape = {channels, height, width};
  out.facts.outputs = classes;
  for (std::int64_t c = 0; c < channels; ++c) {
    out.facts.fill.push_back(0.25f * static_cast<float>(c % 3));
    out.facts.mean.push_back(0.4f);
    out.facts.deviation.push_back(0.3f);
  }
  out.train.inputs = at::empty({n, channels, height, width}, at::kByte);
  out.train.targets = at::empty({n}, at::kLong);
  auto* pixel = out.train.inputs.mutable_data_ptr<std::uint8_t>();
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t label = i % classes;
    out.train.targets.mutable_data_ptr<std::int64_t>()[i] = label;
    for (std::int64_t k = 0; k < channels * height * width; ++k) {
      *pixel++ =
          static_cast<std::uint8_t>(60 * label + static_cast<std::int64_t>(random.below(130)));
    }
  }
  return out;
}

/// Files stand where their names say.
class NamedFiles final : public Resources {
 public:
  std::filesystem::path resolve(const DataPath& path) const override { return path.text; }
};

struct Wish {
  CheckpointRequest keep{};
  std::vector<InputRuns> inputs{};
  Progress* progress = nullptr;
};

inline std::vector<TrainedRun> train_all(const SgdParams& params, const Problem& problem,
                                         const std::vector<RunSpec>& runs, const Wish& wish = {}) {
  std::vector<TrainedRun> out(runs.size());
  const TestFactory factory;
  const NamedFiles files;
  Quiet quiet;
  const TrainRequest request{
      problem.facts,
      problem.train,
      runs,
      wish.inputs,
      wish.keep,
      factory,
      files,
      wish.progress ? *wish.progress : quiet,
      [&](std::size_t run, TrainedRun result) { out.at(run) = std::move(result); }};
  make_sgd(params)->train(request);
  return out;
}

inline TrainedRun train_one(const SgdParams& params, const Problem& problem, std::uint64_t seed = 7,
                            const Wish& wish = {}) {
  return train_all(params, problem, {{seed, {}, "algorithm A, run 0"}}, wish).front();
}

inline bool same_bytes(const at::Tensor& a, const at::Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  const at::Tensor x = a.contiguous(), y = b.contiguous();
  return x.sizes() == y.sizes() && x.scalar_type() == y.scalar_type() &&
         std::memcmp(x.const_data_ptr(), y.const_data_ptr(), x.nbytes()) == 0;
}

inline double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

/// The text of what `f` throws as an E, "" when nothing is thrown.
template <typename E>
std::string thrown_text(const std::function<void()>& f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  }
  return "";
}

}  // namespace modeldiff::testing
