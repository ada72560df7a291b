#include "my_plugin_params.h"

#include <ATen/ops/empty.h>

#include <functional>
#include <numeric>

#include "modeldiff/layers.h"
#include "modeldiff/plugin.h"

namespace modeldiff {
namespace {

/// z = scale (W x + b), images taken as vectors. Layers of modeldiff/layers.h tell the tape what
/// attributors ask for; everything else may be any differentiable function.
class MyPluginModel final : public Model {
 public:
  MyPluginModel(std::int64_t inputs, std::int64_t outputs, const MyPluginParams& params)
      : params_(params) {
    parameters_.add("head.weight", {outputs, inputs});
    parameters_.add("head.bias", {outputs});
  }

  Weights initialise(RandomStream& random) const override {
    at::Tensor flat = at::empty({parameters_.count()}, at::kFloat);
    initialise_layer(flat, parameters_, "head", params_.init, LayerPlace::last, random);
    return {flat, {}};
  }

  at::Tensor forward(const Weights& weights, const at::Tensor& inputs, Pass& pass) const override {
    const at::Tensor x = inputs.flatten(1);
    if (pass.want_features) pass.features = x;
    return linear(pass, *this, weights, "head", x).mul(params_.scale);
  }

  std::vector<std::string> head() const override { return {"head.weight", "head.bias"}; }

  double forward_flops() const override { return 2.0 * static_cast<double>(parameters_.count()); }

 private:
  MyPluginParams params_;
};

class MyPluginArchitecture final : public Architecture {
 public:
  explicit MyPluginArchitecture(const MyPluginParams& params) : params_(params) {}

  std::unique_ptr<Model> build(const ModelSpec& spec) const override {
    const auto& shape = spec.input_shape;
    const std::int64_t inputs =
        std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
    return std::make_unique<MyPluginModel>(inputs, spec.outputs, params_);
  }

 private:
  MyPluginParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("models", "my_plugin", "0.1-dev", "One linear layer with a bias, its outputs scaled",
                 MyPluginArchitecture, MyPluginParams, "{}")

}  // namespace modeldiff
