#include "linear_data.h"

#include <algorithm>

#include "modeldiff/mlp_kernels.h"

namespace modeldiff {
namespace {

constexpr std::int64_t kMostParts = 16;
constexpr std::int64_t kLeastPartRows = 512;
/// Each part has sums of its own for all columns, to be made 0 and added: it is worth that when its
/// rows have so many numbers for each column.
constexpr std::int64_t kNumbersOfColumn = 4;

template <typename S>
std::array<S, 256> make_byte_values() {
  std::array<S, 256> out;
  for (std::size_t code = 0; code < out.size(); ++code)
    out[code] = static_cast<S>(static_cast<double>(code) / 255);
  return out;
}

}  // namespace

const SparseKernelSet& sparse_kernel_set() {
#if defined(__x86_64__)
  switch (mlp_instruction_sets().back()) {
    case MlpInstructionSet::avx512:
      return kAvx512SparseKernels;
    case MlpInstructionSet::avx2:
      return kAvx2SparseKernels;
    case MlpInstructionSet::portable:
      break;
  }
#endif
  return kPortableSparseKernels;
}

template <>
const SparseKernels<float>& kernels<float>() {
  return sparse_kernel_set().single;
}
template <>
const SparseKernels<double>& kernels<double>() {
  return sparse_kernel_set().twofold;
}

template <typename S>
const std::array<S, 256>& byte_values() {
  static const std::array<S, 256> kValues = make_byte_values<S>();
  return kValues;
}
template const std::array<float, 256>& byte_values();
template const std::array<double, 256>& byte_values();

std::int64_t LinearData::parts_of(std::int64_t count) const {
  const double numbers = static_cast<double>(count) * matrix.numbers_of_row();
  const auto worth = static_cast<std::int64_t>(numbers) / (kNumbersOfColumn * columns());
  return std::clamp<std::int64_t>(std::min(count / kLeastPartRows, worth), 1, kMostParts);
}

template <typename S>
PackedWeights<S> LinearData::pack(const at::Tensor& w) const {
  const std::int64_t d = columns(), k = outputs;
  const double* from = w.const_data_ptr<double>();
  PackedWeights<S> out{AlignedVector<S>(d * kSparseBlock), {}};
  for (std::int64_t o = 0; o < k; ++o) {
    double offset = bias ? from[k * d + o] : 0;
    for (std::int64_t c = 0; c < d; ++c) {
      double weight = from[o * d + c];
      if (normalised) {
        weight *= inverse[c];
        offset -= weight * mean[c];
      }
      out.weights[c * kSparseBlock + o] = static_cast<S>(weight);
    }
    out.offset[o] = static_cast<S>(offset);
  }
  return out;
}
template PackedWeights<float> LinearData::pack(const at::Tensor&) const;
template PackedWeights<double> LinearData::pack(const at::Tensor&) const;

template <typename S>
void LinearData::multiply(const PackedWeights<S>& w, RowSpan tile, S* z) const {
  for (std::size_t r = 0; r < tile.size(); ++r)
    std::copy(w.offset.begin(), w.offset.end(), z + r * kSparseBlock);
  kernels<S>().multiply(matrix.view(), byte_values<S>().data(), tile.data(),
                        static_cast<std::int64_t>(tile.size()), w.weights.data(), z);
}
template void LinearData::multiply(const PackedWeights<float>&, RowSpan, float*) const;
template void LinearData::multiply(const PackedWeights<double>&, RowSpan, double*) const;

void LinearData::unpack_column(std::int64_t c, const double* sums,
                               const std::array<double, kSparseBlock>& deltas, double* to) const {
  for (std::int64_t o = 0; o < outputs; ++o)
    to[o * columns() + c] = normalised ? (sums[o] - mean[c] * deltas[o]) * inverse[c] : sums[o];
}

void LinearData::unpack_bias(const std::array<double, kSparseBlock>& deltas, double* to) const {
  if (bias) std::copy_n(deltas.begin(), outputs, to + outputs * columns());
}

}  // namespace modeldiff
