#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "aligned_vector.h"
#include "modeldiff/objective.h"
#include "sparse_kernels.h"
#include "sparse_matrix.h"

// What the files of the linear objective share.

namespace modeldiff {

/// The kernels of the best instruction set of this processor.
const SparseKernelSet& sparse_kernel_set();
template <typename S>
const SparseKernels<S>& kernels();

/// What a byte stands for: byte / 255.
template <typename S>
const std::array<S, 256>& byte_values();

/// Weights of the inputs as they are stored, and what is added to each row's outputs.
template <typename S>
struct PackedWeights {
  AlignedVector<S> weights;  // [columns, kSparseBlock]
  std::array<S, kSparseBlock> offset{};
};

/// The inputs and what is done to them before the weights: shared by objectives that differ in
/// their targets.
struct LinearData {
  SparseMatrix matrix;
  std::vector<double> mean, inverse;  // for each column
  std::int64_t outputs;
  bool bias;
  bool normalised;

  std::int64_t columns() const { return matrix.columns(); }
  std::int64_t parameters() const { return outputs * columns() + (bias ? outputs : 0); }

  /// Into how many parts so many rows are cut: their sums are added in their order, whatever thread
  /// makes them.
  std::int64_t parts_of(std::int64_t count) const;

  template <typename S>
  PackedWeights<S> pack(const at::Tensor& w) const;
  /// z [tile, kSparseBlock] <- X W' + offset
  template <typename S>
  void multiply(const PackedWeights<S>& w, RowSpan tile, S* z) const;

  /// From the gradient by a stored input to that by the parameters `to`. @param deltas summed
  /// gradient by the outputs
  void unpack_column(std::int64_t c, const double* sums,
                     const std::array<double, kSparseBlock>& deltas, double* to) const;
  void unpack_bias(const std::array<double, kSparseBlock>& deltas, double* to) const;
};

}  // namespace modeldiff
