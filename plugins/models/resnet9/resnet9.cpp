#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

#include "common/images_only.h"
#include "modeldiff/layers.h"
#include "modeldiff/plugin.h"
#include "resnet9_params.h"

namespace modeldiff {
namespace {

/// A convolution, its batch norm (or bias) and ReLU.
struct Block {
  std::string name;
  std::int64_t in, out;
  std::int64_t kernel = 3, stride = 1, padding = 1;
};

/// Pixels that leave three after the pooling, for the last convolution.
constexpr std::int64_t kLeast = 11;

/// Sizes of an image along one axis.
std::int64_t after_stem(std::int64_t size) { return (size + 1) / 2; }
std::int64_t after_pool(std::int64_t size) { return after_stem(size) / 2; }

/// prep 3x3; down 5x5 at stride 2; two convolutions with a skip; wide 3x3, pooled 2x2; two
/// convolutions with a skip; last 3x3 without padding, maximum over space, linear without bias,
/// scaled.
class Resnet9 final : public Model {
 public:
  Resnet9(const ModelSpec& spec, const std::array<std::int64_t, 4>& channels,
          const Resnet9Params& params)
      : params_(params) {
    const auto [a, b, c, d] = channels;
    const std::int64_t height = spec.input_shape[1], width = spec.input_shape[2];
    const std::int64_t full = height * width, half = after_stem(height) * after_stem(width);
    const std::int64_t quarter = after_pool(height) * after_pool(width);
    const std::int64_t inner = (after_pool(height) - 2) * (after_pool(width) - 2);
    prep_ = add({"prep", spec.input_shape[0], a}, full);
    down_ = add({"down", a, b, 5, 2, 2}, half);
    skip1_ = {add({"skip1.first", b, b}, half), add({"skip1.second", b, b}, half)};
    wide_ = add({"wide", b, c}, half);
    skip2_ = {add({"skip2.first", c, c}, quarter), add({"skip2.second", c, c}, quarter)};
    last_ = add({"last", c, d, 3, 1, 0}, inner);
    parameters_.add("head.weight", {spec.outputs, d});
    flops_ += 2.0 * static_cast<double>(spec.outputs * d);
  }

  Weights initialise(RandomStream& random) const override {
    Weights weights{at::zeros({parameters_.count()}), {}};
    for (const std::string& name : convolutions_) {
      initialise_layer(weights.parameters, parameters_, name, params_.init, LayerPlace::hidden,
                       random);
      if (params_.norm == Resnet9Norm::batch)
        parameters_.view(weights.parameters, norm_of(name) + ".weight").fill_(1);
    }
    initialise_layer(weights.parameters, parameters_, "head", params_.init, LayerPlace::last,
                     random);
    if (params_.norm == Resnet9Norm::batch) {
      weights.buffers = at::zeros({buffers_.count()});
      for (const std::string& name : convolutions_)
        buffers_.view(weights.buffers, norm_of(name) + ".variance").fill_(1);
    }
    return weights;
  }

  at::Tensor forward(const Weights& weights, const at::Tensor& inputs, Pass& pass) const override {
    const auto apply = [&](const Block& block, const at::Tensor& input) {
      return this->apply(block, weights, input, pass);
    };
    at::Tensor x = apply(down_, apply(prep_, inputs.contiguous(at::MemoryFormat::ChannelsLast)));
    x = x + apply(skip1_[1], apply(skip1_[0], x));
    x = at::max_pool2d(apply(wide_, x), {2, 2});
    x = x + apply(skip2_[1], apply(skip2_[0], x));
    x = std::get<0>(at::adaptive_max_pool2d(apply(last_, x), {1, 1})).flatten(1);
    if (pass.want_features) pass.features = x;
    return linear(pass, *this, weights, "head", x) * params_.output_scale;
  }

  std::vector<std::string> head() const override { return {"head.weight"}; }
  double forward_flops() const override { return flops_; }

 private:
  static std::string norm_of(const std::string& convolution) {
    return convolution.substr(0, convolution.size() - std::string("conv").size()) + "norm";
  }

  /// @param positions of the output
  Block add(Block block, std::int64_t positions) {
    const std::string conv = block.name + ".conv";
    convolutions_.push_back(conv);
    parameters_.add(conv + ".weight", {block.out, block.in, block.kernel, block.kernel});
    if (params_.norm == Resnet9Norm::none) {
      parameters_.add(conv + ".bias", {block.out});
    } else {
      add_batch_norm(parameters_, buffers_, norm_of(conv), block.out);
    }
    flops_ +=
        2.0 * static_cast<double>(positions * block.out * block.in * block.kernel * block.kernel);
    return block;
  }

  at::Tensor apply(const Block& block, const Weights& weights, const at::Tensor& x,
                   Pass& pass) const {
    const std::string conv = block.name + ".conv";
    at::Tensor y = conv2d(pass, *this, weights, conv, x, block.stride, block.padding);
    if (params_.norm == Resnet9Norm::none) return relu(pass, std::move(y));
    return batch_norm(pass, *this, weights, norm_of(conv), std::move(y), /*relu=*/true);
  }

  Resnet9Params params_;
  Block prep_, down_, wide_, last_;
  std::array<Block, 2> skip1_, skip2_;
  std::vector<std::string> convolutions_;
  double flops_ = 0;
};

class Resnet9Architecture final : public Architecture {
 public:
  explicit Resnet9Architecture(Resnet9Params params) : params_(std::move(params)) {}

  std::unique_ptr<Model> build(const ModelSpec& spec) const override {
    require_images(spec, "resnet9", kLeast, "'cnn' takes");
    return std::make_unique<Resnet9>(spec, channels(), params_);
  }

 private:
  std::array<std::int64_t, 4> channels() const {
    std::array<std::int64_t, 4> out = {64, 128, 256, 128};
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double scaled = std::round(static_cast<double>(out[i]) * params_.width);
      out[i] = params_.channels ? (*params_.channels)[i]
                                : std::max<std::int64_t>(1, static_cast<std::int64_t>(scaled));
    }
    return out;
  }

  Resnet9Params params_;
};

}  // namespace
}  // namespace modeldiff

MODELDIFF_PLUGIN("models", "resnet9", "1.0", "Residual net of nine layers, of any width",
                 modeldiff::Resnet9Architecture, modeldiff::Resnet9Params, "{}")
