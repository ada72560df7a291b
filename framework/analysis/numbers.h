#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace modeldiff {

/// The values of a tensor of any shape and type, row by row.
inline std::vector<double> numbers(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.to(at::kDouble).contiguous();
  return {dense.const_data_ptr<double>(), dense.const_data_ptr<double>() + dense.numel()};
}

}  // namespace modeldiff
