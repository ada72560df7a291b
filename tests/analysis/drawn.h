#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "modeldiff/core/random.h"

/// What tests of the analysis draw.
namespace modeldiff::testing {

/// Standard normal numbers, float64.
inline at::Tensor normal(std::uint64_t seed, std::vector<std::int64_t> sizes) {
  RandomStream random(seed, "test");
  at::Tensor out = at::empty(sizes, at::kDouble);
  for (std::int64_t i = 0; i < out.numel(); ++i) out.data_ptr<double>()[i] = random.normal();
  return out;
}

/// Orthonormal rows [rows, columns].
inline at::Tensor orthonormal_rows(std::uint64_t seed, std::int64_t rows, std::int64_t columns) {
  return std::get<0>(at::linalg_qr(normal(seed, {columns, rows}))).t().contiguous();
}

inline double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

inline std::vector<double> values(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.to(at::kDouble).contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

}  // namespace modeldiff::testing
