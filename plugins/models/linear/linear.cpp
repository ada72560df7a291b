#include <ATen/ATen.h>

#include <numeric>

#include "linear_params.h"
#include "modeldiff/layers.h"
#include "modeldiff/plugin.h"

namespace modeldiff {
namespace {

/// z = W x + b, images taken as vectors: logistic regression, or linear regression.
class LinearModel final : public Model {
 public:
  LinearModel(std::int64_t inputs, std::int64_t outputs, const LinearParams& params)
      : inputs_(inputs), outputs_(outputs), params_(params) {
    parameters_.add("head.weight", {outputs, inputs});
    if (params.bias) parameters_.add("head.bias", {outputs});
  }

  Weights initialise(RandomStream& random) const override {
    at::Tensor flat = at::empty({parameters_.count()});
    initialise_layer(flat, parameters_, "head", params_.init, LayerPlace::last, random);
    return {flat, {}};
  }

  at::Tensor forward(const Weights& weights, const at::Tensor& inputs, Pass& pass) const override {
    const at::Tensor x = inputs.flatten(1);
    if (pass.want_features) pass.features = x;
    return linear(pass, *this, weights, "head", x);
  }

  at::Tensor forward_stacked(const Weights& weights, const at::Tensor& inputs) const override {
    const std::int64_t models = weights.parameters.size(0);
    const at::Tensor x = inputs.flatten(1);
    // All models see the same rows: one product with their weights one below the other.
    const at::Tensor weight =
        parameters_.view(weights.parameters, "head.weight").reshape({models * outputs_, inputs_});
    const at::Tensor z = at::linear(x, weight).view({x.size(0), models, outputs_}).transpose(0, 1);
    return params_.bias ? z + parameters_.view(weights.parameters, "head.bias").unsqueeze(1) : z;
  }

  std::optional<MlpShape> mlp_shape() const override {
    if (!params_.bias) return std::nullopt;
    return MlpShape{{inputs_, outputs_}};
  }

  std::vector<std::string> head() const override {
    return params_.bias ? std::vector<std::string>{"head.weight", "head.bias"}
                        : std::vector<std::string>{"head.weight"};
  }

  double forward_flops() const override { return 2.0 * static_cast<double>(inputs_ * outputs_); }

 private:
  std::int64_t inputs_, outputs_;
  LinearParams params_;
};

class LinearArchitecture final : public Architecture {
 public:
  explicit LinearArchitecture(const LinearParams& params) : params_(params) {}

  std::unique_ptr<Model> build(const ModelSpec& spec) const override {
    const std::int64_t inputs = std::accumulate(spec.input_shape.begin(), spec.input_shape.end(),
                                                std::int64_t{1}, std::multiplies<>());
    return std::make_unique<LinearModel>(inputs, spec.outputs, params_);
  }

 private:
  LinearParams params_;
};

}  // namespace
}  // namespace modeldiff

MODELDIFF_PLUGIN("models", "linear", "1.0", "One linear layer: logistic or linear regression",
                 modeldiff::LinearArchitecture, modeldiff::LinearParams, "{}")
