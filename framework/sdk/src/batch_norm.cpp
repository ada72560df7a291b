#include "batch_norm.h"

#include <ATen/ATen.h>

namespace modeldiff {

at::Tensor batch_norm_relu(const at::Tensor& x, const BatchNormTensors& tensors, const BatchNormOptions& options) {
  const at::Tensor y = at::batch_norm(x, tensors.weight, tensors.bias, tensors.mean, tensors.variance, options.training,
                                      options.momentum, options.epsilon, false);
  return options.relu ? y.relu() : y;
}

}  // namespace modeldiff
