#include "modeldiff/layers.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <utility>

#include "batch_norm.h"
#include "modeldiff/core/error.h"
#include "modeldiff/tensors.h"

namespace modeldiff {
namespace {

constexpr double kBatchNormMomentum = 0.1;
constexpr double kBatchNormEpsilon = 1e-5;
constexpr double kLayerNormEpsilon = 1e-5;
/// Floats of unfolded input that are alive at once.
constexpr std::int64_t kUnfoldedFloats = std::int64_t{1} << 20;

at::Tensor parameter_if_there(const Pass& pass, const Model& model, const Weights& weights,
                              const std::string& name) {
  return model.parameters().contains(name) ? model.parameter(pass, weights, name) : at::Tensor();
}

const at::Tensor* find(const std::map<std::string, at::Tensor>& table, const std::string& name) {
  const auto found = table.find(name);
  return found == table.end() ? nullptr : &found->second;
}

/// The multipliers of a layer, or nullptr when it is left as it is.
const at::Tensor* kept_units(const Pass& pass, const std::string& name) {
  return pass.ablation ? find(pass.ablation->keep, name) : nullptr;
}

/// `values` [channels] or [n, channels] in a shape that broadcasts to `output`, whose channels are
/// dimension 1 of an image and the last dimension otherwise.
at::Tensor over_channels(const at::Tensor& values, const at::Tensor& output) {
  if (output.dim() == 4) return values.unsqueeze(-1).unsqueeze(-1);
  return values.dim() == 2 && output.dim() == 3 ? values.unsqueeze(1) : values;
}

/// s u + (1 - s) c
at::Tensor ablate(const Pass& pass, const std::string& name, const at::Tensor& keep,
                  const at::Tensor& output) {
  const at::Tensor s = over_channels(keep, output);
  const at::Tensor* c = find(pass.ablation->replacement, name);
  return c ? output * s + (1 - s) * *c : output * s;
}

/// The product of a layer that is linear in its weights, ablated, then its bias.
/// @param product weight, bias (or undefined) -> output
template <typename Product>
at::Tensor ablated_product(const Pass& pass, const std::string& name, const at::Tensor& weight,
                           const at::Tensor& bias, Product product) {
  const at::Tensor* keep = kept_units(pass, name);
  if (!keep) return product(weight, bias);
  if (keep->dim() == 1 && !find(pass.ablation->replacement, name)) {
    std::vector<std::int64_t> rows(weight.dim(), 1);
    rows[0] = keep->size(0);
    return product(weight * keep->view(rows), bias);
  }
  const at::Tensor output = ablate(pass, name, *keep, product(weight, at::Tensor()));
  return bias.defined() ? output + over_channels(bias, output) : output;
}

at::Tensor conv2d_gradients(const LayerRecord& record, const at::Tensor& delta) {
  const at::Tensor& x = record.input;
  const std::int64_t n = x.size(0), groups = record.groups;
  const std::int64_t out = delta.size(1), positions = delta.size(2) * delta.size(3);
  const std::int64_t fan_in = x.size(1) / groups * record.kernel[0] * record.kernel[1];
  at::Tensor result = at::empty({n, out * fan_in + (record.bias ? out : 0)},
                                x.options().memory_format(at::MemoryFormat::Contiguous));
  const std::int64_t chunk =
      std::max<std::int64_t>(1, kUnfoldedFloats / (groups * fan_in * positions));
  for (std::int64_t begin = 0; begin < n; begin += chunk) {
    const std::int64_t rows = std::min(chunk, n - begin);
    // a: input patches, one column for each output position; the weight's [in / groups, k, k] runs
    // along its rows.
    const at::Tensor a = at::im2col(x.narrow(0, begin, rows).contiguous(), record.kernel, {1, 1},
                                    record.padding, record.stride)
                             .view({rows * groups, fan_in, positions});
    const at::Tensor d =
        delta.narrow(0, begin, rows).contiguous().view({rows * groups, out / groups, positions});
    result.narrow(0, begin, rows)
        .narrow(1, 0, out * fan_in)
        .copy_(at::bmm(d, a.transpose(1, 2)).view({rows, out * fan_in}));
  }
  if (record.bias) result.narrow(1, out * fan_in, out).copy_(delta.sum({2, 3}));
  return result;
}

at::Tensor linear_gradients(const LayerRecord& record, const at::Tensor& delta) {
  const bool tokens = record.input.dim() == 3;
  const at::Tensor a = tokens ? record.input : record.input.unsqueeze(1);
  const at::Tensor d = tokens ? delta : delta.unsqueeze(1);
  const at::Tensor weight = at::bmm(d.transpose(1, 2), a).flatten(1);
  return record.bias ? at::cat({weight, d.sum(1)}, 1) : weight;
}

/// Of weight and bias after a normalisation, whose channels are dimension 1 of an image and the last
/// dimension otherwise.
at::Tensor affine_gradients(const LayerRecord& record, const at::Tensor& delta) {
  const auto sum_over_positions = [](const at::Tensor& x) {
    return x.dim() == 4 ? x.sum({2, 3}) : x.flatten(1, -2).sum(1);
  };
  const auto by_channel = [&](const at::Tensor& x) {
    return x.dim() == 2 ? x : sum_over_positions(x);
  };
  return at::cat({by_channel(delta * record.input), by_channel(delta)}, 1);
}

at::Tensor embedding_gradients(const LayerRecord& record, const at::Tensor& delta) {
  const std::int64_t n = delta.size(0), width = delta.size(2);
  const at::Tensor first_word = at::arange(n, at::kLong).unsqueeze(1) * record.words;
  return at::zeros({n * record.words, width}, delta.options())
      .index_add_(0, (record.input + first_word).flatten(), delta.reshape({-1, width}))
      .view({n, record.words * width});
}

/// What a tape is told of one use of a layer.
LayerRecord record_of(const std::string& name, LayerRecord::Kind kind, const at::Tensor& input,
                      const at::Tensor& output, bool bias) {
  LayerRecord record;
  record.name = name;
  record.kind = kind;
  record.input = input.detach();
  record.output = output;
  record.bias = bias;
  return record;
}

/// Batch norm with its parts in the open, for a tape or an ablation.
at::Tensor taken_apart_batch_norm(Pass& pass, const std::string& name, const at::Tensor& x,
                                  const BatchNormTensors& tensors, bool relu) {
  if (pass.training) {
    throw InternalError("layer " + name +
                        ": batch norm in training mode mixes examples, so that it can be neither "
                        "taped nor ablated");
  }
  const at::Tensor scale = (tensors.variance + kBatchNormEpsilon).rsqrt();
  const at::Tensor normalised = (x - over_channels(tensors.mean, x)) * over_channels(scale, x);
  at::Tensor y = normalised * over_channels(tensors.weight, x) + over_channels(tensors.bias, x);
  if (const at::Tensor* keep = kept_units(pass, name)) y = ablate(pass, name, *keep, y);
  if (pass.tape)
    pass.tape->record(record_of(name, LayerRecord::Kind::batch_norm, normalised, y, true));
  return relu ? y.relu() : y;
}

}  // namespace

void LayerTape::record(LayerRecord record) {
  if (!record.output.requires_grad()) record.output.requires_grad_();
  records_.push_back(std::move(record));
}

std::vector<at::Tensor> LayerTape::output_gradients(const at::Tensor& scalar) const {
  std::vector<at::Tensor> outputs;
  for (const LayerRecord& record : records_) outputs.push_back(record.output);
  return torch::autograd::grad({scalar}, outputs);
}

at::Tensor per_example_gradients(const LayerRecord& record, const at::Tensor& output_gradient) {
  const at::NoGradGuard no_grad;
  if (output_gradient.sizes() != record.output.sizes()) {
    throw ShapeError(fmt::format("layer {}: its output is {} and the gradient {}", record.name,
                                 shape_text(record.output), shape_text(output_gradient)));
  }
  switch (record.kind) {
    case LayerRecord::Kind::linear:
      return linear_gradients(record, output_gradient);
    case LayerRecord::Kind::conv2d:
      return conv2d_gradients(record, output_gradient);
    case LayerRecord::Kind::batch_norm:
    case LayerRecord::Kind::layer_norm:
      return affine_gradients(record, output_gradient);
    case LayerRecord::Kind::embedding:
      return embedding_gradients(record, output_gradient);
  }
  throw InternalError("a layer kind that is not of the list");
}

at::Tensor linear(Pass& pass, const Model& model, const Weights& weights, const std::string& name,
                  const at::Tensor& x) {
  const at::Tensor weight = model.parameter(pass, weights, name + ".weight");
  const at::Tensor bias = parameter_if_there(pass, model, weights, name + ".bias");
  at::Tensor y = ablated_product(
      pass, name, weight, bias,
      [&](const at::Tensor& w, const at::Tensor& b) { return at::linear(x, w, b); });
  if (pass.tape)
    pass.tape->record(record_of(name, LayerRecord::Kind::linear, x, y, bias.defined()));
  return y;
}

at::Tensor conv2d(Pass& pass, const Model& model, const Weights& weights, const std::string& name,
                  const at::Tensor& x, std::int64_t stride, std::int64_t padding,
                  std::int64_t groups) {
  const at::Tensor weight = model.parameter(pass, weights, name + ".weight");
  const at::Tensor bias = parameter_if_there(pass, model, weights, name + ".bias");
  at::Tensor y =
      ablated_product(pass, name, weight, bias, [&](const at::Tensor& w, const at::Tensor& b) {
        return at::conv2d(x, w, b, stride, padding, 1, groups);
      });
  if (pass.tape) {
    LayerRecord record = record_of(name, LayerRecord::Kind::conv2d, x, y, bias.defined());
    record.kernel = {weight.size(2), weight.size(3)};
    record.stride = {stride, stride};
    record.padding = {padding, padding};
    record.groups = groups;
    pass.tape->record(std::move(record));
  }
  return y;
}

at::Tensor batch_norm(Pass& pass, const Model& model, const Weights& weights,
                      const std::string& name, at::Tensor x, bool relu) {
  const BatchNormTensors tensors{model.parameter(pass, weights, name + ".weight"),
                                 model.parameter(pass, weights, name + ".bias"),
                                 model.buffers().view(weights.buffers, name + ".mean"),
                                 model.buffers().view(weights.buffers, name + ".variance")};
  if (pass.tape || kept_units(pass, name))
    return taken_apart_batch_norm(pass, name, x, tensors, relu);
  return batch_norm_relu(std::move(x), tensors,
                         {pass.training, relu, kBatchNormMomentum, kBatchNormEpsilon});
}

at::Tensor layer_norm(Pass& pass, const Model& model, const Weights& weights,
                      const std::string& name, const at::Tensor& x) {
  const at::Tensor weight = model.parameter(pass, weights, name + ".weight");
  const at::Tensor normalised = at::layer_norm(x, weight.sizes(), {}, {}, kLayerNormEpsilon);
  at::Tensor y = normalised * weight + model.parameter(pass, weights, name + ".bias");
  if (const at::Tensor* keep = kept_units(pass, name)) y = ablate(pass, name, *keep, y);
  if (pass.tape)
    pass.tape->record(record_of(name, LayerRecord::Kind::layer_norm, normalised, y, true));
  return y;
}

at::Tensor embedding(Pass& pass, const Model& model, const Weights& weights,
                     const std::string& name, const at::Tensor& tokens) {
  const at::Tensor table = model.parameter(pass, weights, name + ".weight");
  at::Tensor y = at::embedding(table, tokens);
  if (const at::Tensor* keep = kept_units(pass, name)) y = ablate(pass, name, *keep, y);
  if (pass.tape) {
    LayerRecord record = record_of(name, LayerRecord::Kind::embedding, tokens, y, false);
    record.words = table.size(0);
    pass.tape->record(std::move(record));
  }
  return y;
}

at::Tensor relu(const Pass& pass, at::Tensor x) { return pass.tape ? x.relu() : x.relu_(); }

void add_batch_norm(ParameterLayout& parameters, ParameterLayout& buffers, const std::string& name,
                    std::int64_t channels) {
  parameters.add(name + ".weight", {channels});
  parameters.add(name + ".bias", {channels});
  buffers.add(name + ".mean", {channels});
  buffers.add(name + ".variance", {channels});
}

}  // namespace modeldiff
