#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

#include "modeldiff/model.h"

/// Training steps of models that have no kernels of their own: gradients by autograd, updates of
/// the flat vector in one pass.
namespace modeldiff {

/// The gradient of one batch.
struct LossGradient {
  /// [p] float32
  at::Tensor gradient;
  /// The scalar that was differentiated, without a graph.
  at::Tensor loss;
};

/// Forward and backward pass in training mode; running statistics in `weights.buffers` are moved in
/// place. Each named parameter is a leaf that shares its storage with `weights.parameters`, and its
/// gradient is copied once into the flat result: a leaf [p] would add a vector of its size for
/// every view that is taken of it.
/// @param weights of one model: parameters [p]; they need no gradient
/// @param inputs  [n, ...] float32, as InputView gives them
/// @param loss    of the outputs [n, outputs] -> a scalar
/// @param result  [p] float32, overwritten and returned as `gradient`; undefined: a new vector
MODELDIFF_API LossGradient parameter_gradients(
    const Model& model, const Weights& weights, const at::Tensor& inputs,
    const std::function<at::Tensor(const at::Tensor& outputs)>& loss, at::Tensor result = {});

/// Scales `gradient` [p] in place by min(1, limit / (norm + 1e-6)), as
/// torch::nn::utils::clip_grad_norm_.
/// @return the norm before
MODELDIFF_API double clip_gradient(at::Tensor& gradient, double limit);

/// g <- g + weight_decay w;  m <- momentum m + g;  w <- w - lr m, or with `nesterov` w - lr (g +
/// momentum m): in place, one pass over [p]. torch::optim::SGD with dampening 0.
/// @param velocity [p] m, zeros at the start; undefined when momentum is 0
MODELDIFF_API void sgd_step(at::Tensor& parameters, const at::Tensor& gradient,
                            at::Tensor& velocity, double learning_rate, const MlpSgd& options);

/// torch::optim::AdamW: w <- (1 - lr weight_decay) w - lr m^ / (sqrt(v^) + epsilon), in place, one
/// pass over [p].
/// @param step counts from 1: corrects the moments for their zero start
MODELDIFF_API void adamw_step(at::Tensor& parameters, const at::Tensor& gradient,
                              at::Tensor& first_moment, at::Tensor& second_moment,
                              double learning_rate, const MlpAdamW& options, std::int64_t step);

}  // namespace modeldiff
