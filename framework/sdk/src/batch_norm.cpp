#include "batch_norm.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "batch_norm_kernels.h"
#include "modeldiff/mlp_kernels.h"
#include "modeldiff/parallel.h"

namespace modeldiff {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Floats that one task works on: they fit the second-level cache, and float32 sums over them are
/// exact enough.
constexpr std::int64_t kChunkFloats = 16384;

/// x [n, channels, ...] as rows of channels, cut into chunks. The cut depends on the shape alone,
/// so that sums over chunks, added in their order, have the same bits for any number of threads.
struct Rows {
  std::int64_t channels, rows;
  std::int64_t fold;    // rows of one folded row
  std::int64_t width;   // floats of one folded row: fold * channels
  std::int64_t chunk;   // folded rows of one chunk
  std::int64_t folded;  // whole folded rows; rows % fold are left over

  explicit Rows(const at::Tensor& x) : channels(x.size(1)), rows(x.numel() / x.size(1)) {
    fold = kBatchNormBlock / std::gcd(channels, kBatchNormBlock);
    width = fold * channels;
    chunk = std::max<std::int64_t>(1, kChunkFloats / width);
    folded = rows / fold;
  }
  std::int64_t chunks() const { return (folded + chunk - 1) / chunk; }
  std::int64_t rows_of(std::int64_t c) const { return std::min(chunk, folded - c * chunk); }
  std::int64_t offset_of(std::int64_t c) const { return c * chunk * width; }
  /// The rows that are left over, and where they begin.
  std::int64_t rest() const { return rows % fold; }
  std::int64_t rest_offset() const { return folded * width; }
};

using Floats = std::vector<float>;

/// One value a channel, repeated along a folded row.
template <typename Value>
Floats along_row(const Rows& layout, Value value) {
  Floats out(layout.width);
  for (std::int64_t c = 0; c < layout.width; ++c)
    out[c] = static_cast<float>(value(c % layout.channels));
  return out;
}

/// Calls body(first float, folded rows, chunk) for all chunks in parallel, then for the rows left
/// over, which are copied into a row of their own by `body` as it likes.
template <typename Body>
void for_chunks(const Rows& layout, Body body) {
  in_parallel(layout.chunks(), body);
}

/// The rows left over, filled up to one folded row with zeros.
Floats rest_row(const Rows& layout, const float* x) {
  Floats row(layout.width, 0.f);
  std::copy_n(x + layout.rest_offset(), layout.rest() * layout.channels, row.begin());
  return row;
}

/// Mean and biased variance of each channel.
struct Moments {
  std::vector<double> mean, variance;
};

Moments batch_moments(const Rows& layout, const float* x) {
  const BatchNormKernels& kernels = batch_norm_kernels();
  // Sums are of x less the first row, which keeps the variance of data far from 0.
  const Floats origin = along_row(layout, [&](std::int64_t c) { return x[c]; });
  const std::int64_t chunks = layout.chunks(), width = layout.width;
  Floats sums(chunks * width), squares(chunks * width);
  for_chunks(layout, [&](std::int64_t c) {
    kernels.moments(x + layout.offset_of(c), layout.rows_of(c), width, origin.data(),
                    &sums[c * width], &squares[c * width]);
  });
  std::vector<double> sum(layout.channels), square(layout.channels);
  for (std::int64_t i = 0; i < chunks * width; ++i) {
    sum[i % layout.channels] += sums[i];
    square[i % layout.channels] += squares[i];
  }
  for (std::int64_t i = 0; i < layout.rest() * layout.channels; ++i) {
    const std::int64_t c = i % layout.channels;
    const double d = static_cast<double>(x[layout.rest_offset() + i]) - origin[c];
    sum[c] += d;
    square[c] += d * d;
  }
  Moments out{std::vector<double>(layout.channels), std::vector<double>(layout.channels)};
  const double n = static_cast<double>(layout.rows);
  for (std::int64_t c = 0; c < layout.channels; ++c) {
    const double d = sum[c] / n;
    out.mean[c] = origin[c] + d;
    out.variance[c] = std::max(0.0, square[c] / n - d * d);
  }
  return out;
}

/// y = scale x + shift: one of each for a channel.
struct Affine {
  Floats scale, shift;
};

Affine affine_of(const Rows& layout, const float* weight, const float* bias, const float* mean,
                 const float* inverse) {
  Affine out;
  out.scale = along_row(layout, [&](std::int64_t c) { return weight[c] * inverse[c]; });
  out.shift = along_row(
      layout, [&](std::int64_t c) { return bias[c] - mean[c] * (weight[c] * inverse[c]); });
  return out;
}

void normalise_all(const Rows& layout, const float* x, const Affine& affine, bool relu, float* y) {
  const BatchNormKernels& kernels = batch_norm_kernels();
  for_chunks(layout, [&](std::int64_t c) {
    const std::int64_t at = layout.offset_of(c);
    kernels.normalise(x + at, layout.rows_of(c), layout.width, affine.scale.data(),
                      affine.shift.data(), relu, y + at);
  });
  if (layout.rest() == 0) return;
  Floats row = rest_row(layout, x);
  kernels.normalise(row.data(), 1, layout.width, affine.scale.data(), affine.shift.data(), relu,
                    row.data());
  std::copy_n(row.begin(), layout.rest() * layout.channels, y + layout.rest_offset());
}

/// Sums over rows of the gradient g behind the ReLU, and of g (x - mean).
struct GradientSums {
  std::vector<double> sum, product;
};

GradientSums gradient_sums(const Rows& layout, const float* x, const float* dy,
                           const Affine& affine, const Floats& mean, bool relu) {
  const BatchNormKernels& kernels = batch_norm_kernels();
  const std::int64_t chunks = layout.chunks() + (layout.rest() > 0 ? 1 : 0), width = layout.width;
  Floats sums(chunks * width), products(chunks * width);
  const auto one = [&](std::int64_t c, const float* x_at, const float* dy_at, std::int64_t rows) {
    kernels.gradient_sums(x_at, dy_at, rows, width, affine.scale.data(), affine.shift.data(),
                          mean.data(), relu, &sums[c * width], &products[c * width]);
  };
  for_chunks(layout, [&](std::int64_t c) {
    one(c, x + layout.offset_of(c), dy + layout.offset_of(c), layout.rows_of(c));
  });
  // Where a row is filled up, dy is 0: it adds nothing.
  if (layout.rest() > 0)
    one(chunks - 1, rest_row(layout, x).data(), rest_row(layout, dy).data(), 1);
  GradientSums out{std::vector<double>(layout.channels), std::vector<double>(layout.channels)};
  for (std::int64_t i = 0; i < chunks * width; ++i) {
    out.sum[i % layout.channels] += sums[i];
    out.product[i % layout.channels] += products[i];
  }
  return out;
}

void input_gradients(const Rows& layout, const float* x, const float* dy, const Affine& affine,
                     const Floats& mean, const Floats& slope, const Floats& offset, bool relu,
                     float* dx) {
  const BatchNormKernels& kernels = batch_norm_kernels();
  const auto one = [&](const float* x_at, const float* dy_at, std::int64_t rows, float* dx_at) {
    kernels.input_gradient(x_at, dy_at, rows, layout.width, affine.scale.data(),
                           affine.shift.data(), mean.data(), slope.data(), offset.data(), relu,
                           dx_at);
  };
  for_chunks(layout, [&](std::int64_t c) {
    const std::int64_t at = layout.offset_of(c);
    one(x + at, dy + at, layout.rows_of(c), dx + at);
  });
  if (layout.rest() == 0) return;
  Floats row = rest_row(layout, x);
  one(row.data(), rest_row(layout, dy).data(), 1, row.data());
  std::copy_n(row.begin(), layout.rest() * layout.channels, dx + layout.rest_offset());
}

/// running <- (1 - momentum) running + momentum now
template <typename Now>
void move_average(at::Tensor running, double momentum, Now now) {
  auto values = running.accessor<float, 1>();
  for (std::int64_t c = 0; c < values.size(0); ++c) {
    values[c] = static_cast<float>((1 - momentum) * values[c] + momentum * now(c));
  }
}

at::Tensor per_channel(std::int64_t channels) { return at::empty({channels}, at::kFloat); }

/// Training mode: statistics of the batch. Ioffe & Szegedy 2015 (arXiv:1502.03167), Algorithm 1 and
/// its gradient.
struct FusedBatchNorm : torch::autograd::Function<FusedBatchNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, const at::Tensor& running_mean,
                            const at::Tensor& running_variance, bool relu, double momentum,
                            double epsilon, bool owned) {
    const Rows layout(x);
    const float* data = x.const_data_ptr<float>();
    const Moments moments = batch_moments(layout, data);
    const double n = static_cast<double>(layout.rows);
    move_average(running_mean, momentum, [&](std::int64_t c) { return moments.mean[c]; });
    move_average(running_variance, momentum,
                 [&](std::int64_t c) { return moments.variance[c] * (n / (n - 1)); });

    at::Tensor mean = per_channel(layout.channels), inverse = per_channel(layout.channels);
    for (std::int64_t c = 0; c < layout.channels; ++c) {
      mean.mutable_data_ptr<float>()[c] = static_cast<float>(moments.mean[c]);
      inverse.mutable_data_ptr<float>()[c] =
          static_cast<float>(1 / std::sqrt(moments.variance[c] + epsilon));
    }
    at::Tensor y = at::empty_like(x);
    const Affine affine =
        affine_of(layout, weight.const_data_ptr<float>(), bias.const_data_ptr<float>(),
                  mean.const_data_ptr<float>(), inverse.const_data_ptr<float>());
    normalise_all(layout, data, affine, relu, y.mutable_data_ptr<float>());
    context->save_for_backward({x, weight, bias, mean, inverse});
    context->saved_data["relu"] = relu;
    context->saved_data["owned"] = owned;
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    at::Tensor x = saved[0];
    const bool relu = context->saved_data["relu"].toBool();
    const at::Tensor dy = gradients[0].contiguous(x.suggest_memory_format());
    const Rows layout(x);
    const float* weight = saved[1].const_data_ptr<float>();
    const float* mean = saved[3].const_data_ptr<float>();
    const float* inverse = saved[4].const_data_ptr<float>();
    const Affine affine =
        affine_of(layout, weight, saved[2].const_data_ptr<float>(), mean, inverse);
    const Floats row_mean = along_row(layout, [&](std::int64_t c) { return mean[c]; });
    const GradientSums sums = gradient_sums(layout, x.const_data_ptr<float>(),
                                            dy.const_data_ptr<float>(), affine, row_mean, relu);

    at::Tensor weight_gradient = per_channel(layout.channels),
               bias_gradient = per_channel(layout.channels);
    for (std::int64_t c = 0; c < layout.channels; ++c) {
      weight_gradient.mutable_data_ptr<float>()[c] =
          static_cast<float>(sums.product[c] * inverse[c]);
      bias_gradient.mutable_data_ptr<float>()[c] = static_cast<float>(sums.sum[c]);
    }
    const double n = static_cast<double>(layout.rows);
    const Floats slope = along_row(layout, [&](std::int64_t c) {
      const double r = inverse[c];
      return -weight[c] * r * r * r * sums.product[c] / n;
    });
    const Floats offset = along_row(
        layout, [&](std::int64_t c) { return -weight[c] * inverse[c] * sums.sum[c] / n; });
    // Nothing else reads x: the gradient takes its place in memory. A second pass over the graph is
    // then refused.
    const bool in_place = context->saved_data["owned"].toBool();
    at::Tensor dx = in_place ? x.detach() : at::empty_like(x);
    input_gradients(layout, x.const_data_ptr<float>(), dy.const_data_ptr<float>(), affine, row_mean,
                    slope, offset, relu, dx.mutable_data_ptr<float>());
    if (in_place) x.unsafeGetTensorImpl()->bump_version();
    return {dx, weight_gradient, bias_gradient, {}, {}, {}, {}, {}, {}};
  }
};

/// Whether the kernels take it: float32 on the CPU with the channels side by side.
bool rows_of_channels(const at::Tensor& x) {
  if (x.scalar_type() != at::kFloat || !x.device().is_cpu() || x.numel() == 0) return false;
  return x.dim() == 2 ? x.is_contiguous()
                      : x.dim() == 4 && x.is_contiguous(at::MemoryFormat::ChannelsLast);
}

bool dense(const BatchNormTensors& tensors) {
  for (const at::Tensor* tensor :
       {&tensors.weight, &tensors.bias, &tensors.mean, &tensors.variance}) {
    if (tensor->scalar_type() != at::kFloat || !tensor->is_contiguous()) return false;
  }
  return true;
}

/// Eval mode, when nobody asks for gradients.
at::Tensor normalised(at::Tensor x, const BatchNormTensors& tensors,
                      const BatchNormOptions& options, bool owned) {
  const Rows layout(x);
  const at::Tensor inverse = (tensors.variance + options.epsilon).rsqrt();
  const Affine affine = affine_of(
      layout, tensors.weight.const_data_ptr<float>(), tensors.bias.const_data_ptr<float>(),
      tensors.mean.const_data_ptr<float>(), inverse.const_data_ptr<float>());
  at::Tensor y = owned ? x : at::empty_like(x);
  normalise_all(layout, x.const_data_ptr<float>(), affine, options.relu,
                y.mutable_data_ptr<float>());
  return y;
}

}  // namespace

const BatchNormKernels& batch_norm_kernels() {
#if defined(__x86_64__)
  switch (mlp_instruction_sets().back()) {
    case MlpInstructionSet::avx512:
      return kAvx512BatchNorm;
    case MlpInstructionSet::avx2:
      return kAvx2BatchNorm;
    case MlpInstructionSet::portable:
      break;
  }
#endif
  return kPortableBatchNorm;
}

at::Tensor batch_norm_relu(at::Tensor x, const BatchNormTensors& tensors,
                           const BatchNormOptions& options) {
  if (rows_of_channels(x) && dense(tensors)) {
    const bool owned = x.use_count() == 1 && x.storage().use_count() == 1;
    const bool needs_gradient =
        at::GradMode::is_enabled() &&
        (x.requires_grad() || tensors.weight.requires_grad() || tensors.bias.requires_grad());
    if (options.training && x.numel() > x.size(1)) {
      return FusedBatchNorm::apply(x, tensors.weight, tensors.bias, tensors.mean, tensors.variance,
                                   options.relu, options.momentum, options.epsilon, owned);
    }
    if (!options.training && !needs_gradient)
      return normalised(std::move(x), tensors, options, owned);
  }
  const at::Tensor y =
      at::batch_norm(x, tensors.weight, tensors.bias, tensors.mean, tensors.variance,
                     options.training, options.momentum, options.epsilon, false);
  return options.relu ? y.relu() : y;
}

}  // namespace modeldiff
