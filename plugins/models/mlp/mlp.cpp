#include <ATen/ATen.h>
#include <fmt/format.h>

#include <numeric>

#include "mlp_params.h"
#include "modeldiff/layers.h"
#include "modeldiff/plugin.h"

namespace modeldiff {
namespace {

/// Linear layers with ReLU between; images are taken as vectors.
class Mlp final : public Model {
 public:
  /// @param widths inputs, hidden layers, outputs
  Mlp(std::vector<std::int64_t> widths, Initialisation init)
      : widths_(std::move(widths)), init_(init) {
    for (std::size_t i = 0; i + 1 < widths_.size(); ++i) {
      layers_.push_back(i + 2 < widths_.size() ? fmt::format("hidden{}", i + 1) : "head");
      parameters_.add(layers_.back() + ".weight", {widths_[i + 1], widths_[i]});
      parameters_.add(layers_.back() + ".bias", {widths_[i + 1]});
    }
  }

  Weights initialise(RandomStream& random) const override {
    at::Tensor flat = at::empty({parameters_.count()});
    for (const std::string& layer : layers_) {
      initialise_layer(flat, parameters_, layer, init_,
                       layer == "head" ? LayerPlace::last : LayerPlace::hidden, random);
    }
    return {flat, {}};
  }

  at::Tensor forward(const Weights& weights, const at::Tensor& inputs, Pass& pass) const override {
    at::Tensor x = inputs.flatten(1);
    for (const std::string& layer : layers_) {
      if (layer == "head") break;
      x = relu(pass, linear(pass, *this, weights, layer, x));
    }
    if (pass.want_features) pass.features = x;
    return linear(pass, *this, weights, "head", x);
  }

  at::Tensor forward_stacked(const Weights& weights, const at::Tensor& inputs) const override {
    const at::Tensor rows = inputs.flatten(1);
    at::Tensor x = rows.expand({weights.parameters.size(0), rows.size(0), rows.size(1)});
    for (const std::string& layer : layers_) {
      const at::Tensor weight = parameters_.view(weights.parameters, layer + ".weight");
      const at::Tensor bias = parameters_.view(weights.parameters, layer + ".bias").unsqueeze(1);
      const at::Tensor z = at::baddbmm(bias, x, weight.transpose(1, 2));
      x = layer == "head" ? z : z.relu();
    }
    return x;
  }

  std::optional<MlpShape> mlp_shape() const override { return MlpShape{widths_}; }
  std::vector<std::string> head() const override { return {"head.weight", "head.bias"}; }

  double forward_flops() const override {
    double flops = 0;
    for (std::size_t i = 0; i + 1 < widths_.size(); ++i)
      flops += 2.0 * static_cast<double>(widths_[i] * widths_[i + 1]);
    return flops;
  }

 private:
  std::vector<std::int64_t> widths_;
  Initialisation init_;
  std::vector<std::string> layers_;
};

class MlpArchitecture final : public Architecture {
 public:
  explicit MlpArchitecture(MlpParams params) : params_(std::move(params)) {}

  std::unique_ptr<Model> build(const ModelSpec& spec) const override {
    std::vector<std::int64_t> widths = params_.hidden;
    widths.insert(widths.begin(), std::accumulate(spec.input_shape.begin(), spec.input_shape.end(),
                                                  std::int64_t{1}, std::multiplies<>()));
    widths.push_back(spec.outputs);
    return std::make_unique<Mlp>(std::move(widths), params_.init);
  }

 private:
  MlpParams params_;
};

}  // namespace
}  // namespace modeldiff

MODELDIFF_PLUGIN("models", "mlp", "1.0", "Multilayer perceptron: linear layers with ReLU between",
                 modeldiff::MlpArchitecture, modeldiff::MlpParams, "{}")
