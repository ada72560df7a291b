#pragma once

#include <ATen/core/Tensor.h>

namespace modeldiff {

/// Each [channels]; the running statistics are moved in place by a pass in training mode.
struct BatchNormTensors {
  at::Tensor weight, bias;
  at::Tensor mean, variance;
};

struct BatchNormOptions {
  bool training = false;
  bool relu = false;
  double momentum = 0.1;
  double epsilon = 1e-5;
};

/// weight (x - mean) / sqrt(variance + epsilon) + bias, then max(., 0) if asked, differentiable.
/// The running variance is the unbiased one, as in torch::nn::BatchNorm2d.
/// @param x [n, channels, ...]. Given up by the caller (moved in, and the only handle of its
/// memory), it is overwritten:
///          by the result in eval mode, by its gradient in the backward pass of training.
at::Tensor batch_norm_relu(at::Tensor x, const BatchNormTensors& tensors,
                           const BatchNormOptions& options);

}  // namespace modeldiff
