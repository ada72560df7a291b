#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "sparse_kernels.h"

namespace modeldiff {

/// Inputs without their zeros. Bytes stay bytes: 3 of memory for each number that is not zero.
class SparseMatrix {
 public:
  /// @param inputs [n, ...] uint8 or float32, or a sparse table
  explicit SparseMatrix(const at::Tensor& inputs);

  std::int64_t rows() const { return static_cast<std::int64_t>(offsets_.size()) - 1; }
  std::int64_t columns() const { return columns_count_; }
  /// Numbers that are stored of a row, in the mean.
  double numbers_of_row() const;
  SparseRows view() const;

 private:
  template <typename Number>
  void fill(const Number* data, std::int64_t rows);
  void copy(const at::Tensor& table);
  /// Whether columns need more than 16 bits.
  bool wide() const;

  std::int64_t columns_count_;
  std::vector<std::int64_t> offsets_{0};
  std::vector<std::uint16_t> narrow_;
  std::vector<std::uint32_t> wide_;
  std::vector<std::uint8_t> bytes_;
  std::vector<float> floats_;
  bool is_bytes_;
};

}  // namespace modeldiff
