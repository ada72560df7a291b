#include <ATen/ATen.h>
#include <fmt/format.h>

#include <tuple>

#include "cnn_params.h"
#include "common/images_only.h"
#include "modeldiff/layers.h"
#include "modeldiff/plugin.h"

namespace modeldiff {
namespace {

/// Pixels that leave one after the pooling.
constexpr std::int64_t kLeast = 2;

/// 3x3 convolutions with bias and ReLU: the first at full size and pooled 2x2, each other at stride
/// 2; then the maximum over space and a linear layer.
class Cnn final : public Model {
 public:
  Cnn(const ModelSpec& spec, const CnnParams& params) : init_(params.init) {
    std::int64_t in = spec.input_shape[0], height = spec.input_shape[1],
                 width = spec.input_shape[2];
    for (std::size_t i = 0; i < params.channels.size(); ++i) {
      const std::int64_t out = params.channels[i];
      convolutions_.push_back(fmt::format("conv{}", i + 1));
      parameters_.add(convolutions_.back() + ".weight", {out, in, 3, 3});
      parameters_.add(convolutions_.back() + ".bias", {out});
      if (i > 0) height = (height + 1) / 2, width = (width + 1) / 2;
      flops_ += 2.0 * static_cast<double>(out * in * 9 * height * width);
      if (i == 0) height /= 2, width /= 2;
      in = out;
    }
    parameters_.add("head.weight", {spec.outputs, in});
    parameters_.add("head.bias", {spec.outputs});
    flops_ += 2.0 * static_cast<double>(spec.outputs * in);
  }

  Weights initialise(RandomStream& random) const override {
    at::Tensor flat = at::empty({parameters_.count()});
    for (const std::string& name : convolutions_) {
      initialise_layer(flat, parameters_, name, init_, LayerPlace::hidden, random);
    }
    initialise_layer(flat, parameters_, "head", init_, LayerPlace::last, random);
    return {flat, {}};
  }

  at::Tensor forward(const Weights& weights, const at::Tensor& inputs, Pass& pass) const override {
    at::Tensor x = inputs.contiguous(at::MemoryFormat::ChannelsLast);
    for (std::size_t i = 0; i < convolutions_.size(); ++i) {
      x = relu(pass, conv2d(pass, *this, weights, convolutions_[i], x, i == 0 ? 1 : 2, 1));
      if (i == 0) x = at::max_pool2d(x, {2, 2});
    }
    x = std::get<0>(at::adaptive_max_pool2d(x, {1, 1})).flatten(1);
    if (pass.want_features) pass.features = x;
    return linear(pass, *this, weights, "head", x);
  }

  std::vector<std::string> head() const override { return {"head.weight", "head.bias"}; }
  double forward_flops() const override { return flops_; }

 private:
  Initialisation init_;
  std::vector<std::string> convolutions_;
  double flops_ = 0;
};

class CnnArchitecture final : public Architecture {
 public:
  explicit CnnArchitecture(CnnParams params) : params_(std::move(params)) {}

  std::unique_ptr<Model> build(const ModelSpec& spec) const override {
    require_images(spec, "cnn", kLeast, "");
    return std::make_unique<Cnn>(spec, params_);
  }

 private:
  CnnParams params_;
};

}  // namespace
}  // namespace modeldiff

MODELDIFF_PLUGIN("models", "cnn", "1.0", "Small convolution net without batch norm",
                 modeldiff::CnnArchitecture, modeldiff::CnnParams, "{}")
