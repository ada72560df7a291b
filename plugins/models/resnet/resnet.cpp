#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/images_only.h"
#include "modeldiff/layers.h"
#include "modeldiff/plugin.h"
#include "resnet_params.h"

namespace modeldiff {
namespace {

/// What the maps are divided by from the image to the last blocks.
constexpr std::int64_t kStrides = 32;

/// A convolution and its batch norm.
struct Convolution {
  std::string conv, norm;
  std::int64_t kernel = 3, stride = 1;
};

/// Convolutions with ReLU between them, and a way past them: what comes in, or a projection of it.
struct Block {
  std::vector<Convolution> convolutions;
  std::vector<Convolution> past;  // none or one
};

/// The networks of He et al. 2016 (arXiv:1512.03385), table 1, for ImageNet: a convolution of 7 x 7
/// and a maximum of 3 x 3, both at stride 2; four stages of blocks, the last three at stride 2; the
/// mean over space; linear. Blocks of three convolutions have their stride in the middle one.
class Resnet final : public Model {
 public:
  Resnet(const ModelSpec& spec, const ResnetParams& params) : init_(params.init) {
    const auto scaled = [&](double channels) {
      return std::max<std::int64_t>(1, std::llround(channels * params.width));
    };
    height_ = spec.input_shape[1];
    width_ = spec.input_shape[2];
    std::int64_t channels = scaled(64);
    stem_ = add("conv1", "bn1", spec.input_shape[0], channels, 7, 2);
    shrink();  // the maximum
    for (std::size_t stage = 0; stage < params.blocks.size(); ++stage) {
      const std::int64_t inner = scaled(64 << stage), out = inner * (params.bottleneck ? 4 : 1);
      for (std::int64_t i = 0; i < params.blocks[stage]; ++i) {
        const std::int64_t stride = i == 0 && stage > 0 ? 2 : 1;
        blocks_.push_back(add_block(fmt::format("layer{}.{}", stage + 1, i), channels, inner, out,
                                    stride, params.bottleneck));
        channels = out;
      }
    }
    parameters_.add("fc.weight", {spec.outputs, channels});
    parameters_.add("fc.bias", {spec.outputs});
    flops_ += 2.0 * static_cast<double>(spec.outputs * channels);
  }

  Weights initialise(RandomStream& random) const override {
    Weights weights{at::zeros({parameters_.count()}), at::zeros({buffers_.count()})};
    for (const Convolution& one : convolutions_) {
      initialise_layer(weights.parameters, parameters_, one.conv, init_, LayerPlace::hidden,
                       random);
      parameters_.view(weights.parameters, one.norm + ".weight").fill_(1);
      buffers_.view(weights.buffers, one.norm + ".variance").fill_(1);
    }
    initialise_layer(weights.parameters, parameters_, "fc", init_, LayerPlace::last, random);
    return weights;
  }

  at::Tensor forward(const Weights& weights, const at::Tensor& inputs, Pass& pass) const override {
    const auto apply = [&](const Convolution& one, const at::Tensor& x, bool relu) {
      return batch_norm(pass, *this, weights, one.norm,
                        conv2d(pass, *this, weights, one.conv, x, one.stride, one.kernel / 2),
                        relu);
    };
    at::Tensor x = apply(stem_, inputs.contiguous(at::MemoryFormat::ChannelsLast), true);
    x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});
    for (const Block& block : blocks_) {
      at::Tensor y = x;
      for (std::size_t i = 0; i < block.convolutions.size(); ++i)
        y = apply(block.convolutions[i], y, i + 1 < block.convolutions.size());
      x = relu(pass, y + (block.past.empty() ? x : apply(block.past[0], x, false)));
    }
    x = x.mean({2, 3});
    if (pass.want_features) pass.features = x;
    return linear(pass, *this, weights, "fc", x);
  }

  std::vector<std::string> head() const override { return {"fc.weight", "fc.bias"}; }
  double forward_flops() const override { return flops_; }

 private:
  Block add_block(const std::string& name, std::int64_t in, std::int64_t inner, std::int64_t out,
                  std::int64_t stride, bool bottleneck) {
    const std::int64_t height = height_, width = width_;
    Block block;
    const auto append = [&](int number, std::int64_t from, std::int64_t to, std::int64_t kernel,
                            std::int64_t step) {
      block.convolutions.push_back(add(fmt::format("{}.conv{}", name, number),
                                       fmt::format("{}.bn{}", name, number), from, to, kernel,
                                       step));
    };
    if (bottleneck) {
      append(1, in, inner, 1, 1);
      append(2, inner, inner, 3, stride);
      append(3, inner, out, 1, 1);
    } else {
      append(1, in, out, 3, stride);
      append(2, out, out, 3, 1);
    }
    if (stride == 1 && in == out) return block;
    height_ = height;
    width_ = width;
    block.past = {add(name + ".downsample.0", name + ".downsample.1", in, out, 1, stride)};
    return block;
  }

  Convolution add(const std::string& conv, const std::string& norm, std::int64_t in,
                  std::int64_t out, std::int64_t kernel, std::int64_t stride) {
    parameters_.add(conv + ".weight", {out, in, kernel, kernel});
    add_batch_norm(parameters_, buffers_, norm, out);
    if (stride == 2) shrink();
    flops_ += 2.0 * static_cast<double>(height_ * width_ * out * in * kernel * kernel);
    convolutions_.push_back({conv, norm, kernel, stride});
    return convolutions_.back();
  }

  void shrink() {
    height_ = (height_ + 1) / 2;
    width_ = (width_ + 1) / 2;
  }

  Initialisation init_;
  Convolution stem_;
  std::vector<Block> blocks_;
  std::vector<Convolution> convolutions_;
  /// Of the maps after what has been added.
  std::int64_t height_ = 0, width_ = 0;
  double flops_ = 0;
};

class ResnetArchitecture final : public Architecture {
 public:
  explicit ResnetArchitecture(ResnetParams params) : params_(std::move(params)) {}

  std::unique_ptr<Model> build(const ModelSpec& spec) const override {
    require_images(spec, "resnet", kStrides, "'resnet9' and 'cnn' take");
    return std::make_unique<Resnet>(spec, params_);
  }

 private:
  ResnetParams params_;
};

}  // namespace
}  // namespace modeldiff

MODELDIFF_PLUGIN("models", "resnet", "1.0",
                 "Residual nets of 18, 34, 50 and more layers, of any width",
                 modeldiff::ResnetArchitecture, modeldiff::ResnetParams, "{}")
