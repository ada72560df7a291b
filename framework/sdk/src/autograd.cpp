#include "modeldiff/autograd.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "modeldiff/core/error.h"
#include "modeldiff/tensors.h"

namespace modeldiff {
namespace {

float* data_of(at::Tensor& tensor) { return tensor.mutable_data_ptr<float>(); }

void check_flat(const at::Tensor& tensor, const at::Tensor& parameters, const char* name) {
  if (tensor.sizes() != parameters.sizes() || !tensor.is_contiguous() ||
      tensor.scalar_type() != at::kFloat) {
    throw InternalError(std::string(name) + " is " + shape_text(tensor) + " for parameters " +
                        shape_text(parameters));
  }
}

}  // namespace

LossGradient parameter_gradients(const Model& model, const Weights& weights,
                                 const at::Tensor& inputs,
                                 const std::function<at::Tensor(const at::Tensor& outputs)>& loss,
                                 at::Tensor result) {
  const ParameterLayout& layout = model.parameters();
  std::vector<at::Tensor> leaves;
  leaves.reserve(layout.entries().size());
  for (const ParameterLayout::Entry& entry : layout.entries()) {
    leaves.push_back(layout.view(weights.parameters.detach(), entry).detach().requires_grad_());
  }
  const at::AutoGradMode with_gradients(true);
  Pass pass;
  pass.training = true;
  pass.leaves = &leaves;
  const at::Tensor value = loss(model.forward(weights, inputs, pass));
  const std::vector<at::Tensor> gradients =
      torch::autograd::grad({value}, leaves, {}, /*retain_graph=*/std::nullopt,
                            /*create_graph=*/false, /*allow_unused=*/true);

  const at::NoGradGuard no_grad;
  if (!result.defined()) result = at::empty_like(weights.parameters);
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    at::Tensor place = layout.view(result, layout.entries()[i]);
    gradients[i].defined() ? place.copy_(gradients[i]) : place.zero_();
  }
  return {result, value.detach()};
}

double clip_gradient(at::Tensor& gradient, double limit) {
  const double norm = gradient.norm().item<double>();
  const double scale = limit / (norm + 1e-6);
  if (scale < 1) gradient.mul_(scale);
  return norm;
}

void sgd_step(at::Tensor& parameters, const at::Tensor& gradient, at::Tensor& velocity,
              double learning_rate, const MlpSgd& options) {
  check_flat(gradient, parameters, "gradient");
  const float lr = static_cast<float>(learning_rate),
              decay = static_cast<float>(options.weight_decay);
  const float momentum = static_cast<float>(options.momentum);
  float* w = data_of(parameters);
  const float* g = gradient.const_data_ptr<float>();
  const std::int64_t p = parameters.numel();
  if (momentum == 0) {
    for (std::int64_t i = 0; i < p; ++i) w[i] -= lr * (g[i] + decay * w[i]);
    return;
  }
  check_flat(velocity, parameters, "velocity");
  float* m = data_of(velocity);
  const float own = options.nesterov ? 1.f : 0.f, old = options.nesterov ? momentum : 1.f;
  for (std::int64_t i = 0; i < p; ++i) {
    const float step = g[i] + decay * w[i];
    m[i] = momentum * m[i] + step;
    w[i] -= lr * (own * step + old * m[i]);
  }
}

void adamw_step(at::Tensor& parameters, const at::Tensor& gradient, at::Tensor& first_moment,
                at::Tensor& second_moment, double learning_rate, const MlpAdamW& options,
                std::int64_t step) {
  check_flat(gradient, parameters, "gradient");
  check_flat(first_moment, parameters, "first moment");
  check_flat(second_moment, parameters, "second moment");
  const float b1 = static_cast<float>(options.beta1), b2 = static_cast<float>(options.beta2);
  const float rate = static_cast<float>(learning_rate / (1 - std::pow(options.beta1, step)));
  const float root = static_cast<float>(1 / std::sqrt(1 - std::pow(options.beta2, step)));
  const float keep = static_cast<float>(1 - learning_rate * options.weight_decay);
  const float epsilon = static_cast<float>(options.epsilon);
  float* w = data_of(parameters);
  float* m = data_of(first_moment);
  float* v = data_of(second_moment);
  const float* g = gradient.const_data_ptr<float>();
  for (std::int64_t i = 0; i < parameters.numel(); ++i) {
    m[i] = b1 * m[i] + (1 - b1) * g[i];
    v[i] = b2 * v[i] + (1 - b2) * g[i] * g[i];
    w[i] = keep * w[i] - rate * m[i] / (std::sqrt(v[i]) * root + epsilon);
  }
}

}  // namespace modeldiff
