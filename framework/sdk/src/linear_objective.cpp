#include "modeldiff/objective.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "modeldiff/core/error.h"
#include "modeldiff/mlp_kernels.h"
#include "modeldiff/parallel.h"
#include "sparse_kernels.h"
#include "sparse_matrix.h"

namespace modeldiff {
namespace {

/// Rows that pass forward and backward together: their numbers stay in the first cache.
constexpr std::int64_t kTileRows = 32;
/// Rows are cut into parts whose sums are added in their order, whatever thread makes them.
constexpr std::int64_t kMostParts = 16;
constexpr std::int64_t kLeastPartRows = 512;

const SparseKernelSet& best_kernels() {
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

template <typename S>
const SparseKernels<S>& kernels();
template <>
const SparseKernels<float>& kernels<float>() {
  return best_kernels().single;
}
template <>
const SparseKernels<double>& kernels<double>() {
  return best_kernels().twofold;
}

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
};

template <typename S>
class LinearObjective final : public Objective {
 public:
  LinearObjective(std::shared_ptr<const LinearData> data, const at::Tensor& targets)
      : data_(std::move(data)) {
    for (std::size_t code = 0; code < table_.size(); ++code)
      table_[code] = static_cast<S>(static_cast<double>(code) / 255);
    if (targets.scalar_type() == at::kLong) {
      labels_ = targets.to(at::kInt).contiguous();
    } else {
      values_ = targets.reshape({-1, data_->outputs}).to(at::kFloat).contiguous();
    }
  }

  std::int64_t parameters() const override { return data_->parameters(); }
  bool convex() const override { return true; }
  double rounding() const override { return std::numeric_limits<S>::epsilon(); }
  bool keeps_small_differences() const override { return true; }

  double gradient_sum(const at::Tensor& w, RowSpan rows, at::Tensor& out) const override {
    const Block block = pack(w);
    return sum_over(rows, out, [&](RowSpan tile, S* z, S*) {
      multiply(block, tile, z);
      return residuals(tile, z);
    });
  }

  void difference_sum(const at::Tensor& w, const at::Tensor& v, RowSpan rows,
                      at::Tensor& out) const override {
    const Block change = pack(v);
    if (values_.defined()) {  // linear in w
      sum_over(rows, out, [&](RowSpan tile, S* z, S*) {
        multiply(change, tile, z);
        return 0.0;
      });
      return;
    }
    const Block block = pack(w);
    sum_over(rows, out, [&](RowSpan tile, S* dz, S* z) {
      multiply(block, tile, z);
      multiply(change, tile, dz);
      kernels<S>().softmax_differences(z, dz, static_cast<std::int64_t>(tile.size()),
                                       data_->outputs);
      return 0.0;
    });
  }

  std::shared_ptr<const Objective> with_targets(const at::Tensor& targets) const override {
    return std::make_shared<LinearObjective>(data_, targets);
  }

 private:
  /// Weights of the inputs as they are stored, and what is added to each row's outputs.
  struct Block {
    std::vector<S> weights;  // [columns, kSparseBlock]
    std::array<S, kSparseBlock> offset{};
  };

  Block pack(const at::Tensor& w) const {
    const std::int64_t d = data_->columns(), k = data_->outputs;
    const double* from = w.const_data_ptr<double>();
    Block out{std::vector<S>(d * kSparseBlock), {}};
    for (std::int64_t o = 0; o < k; ++o) {
      double offset = data_->bias ? from[k * d + o] : 0;
      for (std::int64_t c = 0; c < d; ++c) {
        double weight = from[o * d + c];
        if (data_->normalised) {
          weight *= data_->inverse[c];
          offset -= weight * data_->mean[c];
        }
        out.weights[c * kSparseBlock + o] = static_cast<S>(weight);
      }
      out.offset[o] = static_cast<S>(offset);
    }
    return out;
  }

  /// z [tile, block] <- X W' + offset
  void multiply(const Block& block, RowSpan tile, S* z) const {
    for (std::size_t r = 0; r < tile.size(); ++r)
      std::copy(block.offset.begin(), block.offset.end(), z + r * kSparseBlock);
    kernels<S>().multiply(data_->matrix.view(), table_.data(), tile.data(),
                          static_cast<std::int64_t>(tile.size()), block.weights.data(), z);
  }

  /// z <- the gradient of the losses by the outputs. @return the sum of the losses
  double residuals(RowSpan tile, S* z) const {
    if (labels_.defined()) {
      std::array<std::int32_t, kTileRows> labels;
      const std::int32_t* all = labels_.const_data_ptr<std::int32_t>();
      for (std::size_t r = 0; r < tile.size(); ++r) labels[r] = all[tile[r]];
      return kernels<S>().softmax_residuals(z, labels.data(),
                                            static_cast<std::int64_t>(tile.size()), data_->outputs);
    }
    const float* all = values_.const_data_ptr<float>();
    double loss = 0;
    for (std::size_t r = 0; r < tile.size(); ++r) {
      for (std::int64_t o = 0; o < data_->outputs; ++o) {
        S& error = z[r * kSparseBlock + o];
        error -= static_cast<S>(all[tile[r] * data_->outputs + o]);
        loss += 0.5 * static_cast<double>(error) * static_cast<double>(error);
      }
    }
    return loss;
  }

  /// out <- sum over rows of x delta', where `deltas(tile, delta, scratch)` fills delta [tile,
  /// block] and returns a loss. @return the sum of the losses
  template <typename Deltas>
  double sum_over(RowSpan rows, at::Tensor& out, const Deltas& deltas) const {
    const auto count = static_cast<std::int64_t>(rows.size());
    const std::int64_t parts = std::clamp<std::int64_t>(count / kLeastPartRows, 1, kMostParts);
    const std::int64_t entries = data_->columns() * kSparseBlock;
    struct Part {
      std::vector<S> sums;
      std::array<double, kSparseBlock> deltas{};
      double loss = 0;
    };
    std::vector<Part> part(parts);
    in_parallel(parts, [&](std::int64_t p) {
      alignas(64) std::array<S, kTileRows * kSparseBlock> delta, scratch;
      part[p].sums.assign(entries, 0);
      const std::int64_t end = count * (p + 1) / parts;
      for (std::int64_t begin = count * p / parts; begin < end; begin += kTileRows) {
        const RowSpan tile = rows.subspan(begin, std::min(kTileRows, end - begin));
        part[p].loss += deltas(tile, delta.data(), scratch.data());
        kernels<S>().multiply_transposed(data_->matrix.view(), table_.data(), tile.data(),
                                         static_cast<std::int64_t>(tile.size()), delta.data(),
                                         part[p].sums.data());
        for (std::size_t r = 0; r < tile.size(); ++r) {
          for (std::int64_t o = 0; o < data_->outputs; ++o)
            part[p].deltas[o] += static_cast<double>(delta[r * kSparseBlock + o]);
        }
      }
    });
    Part& total = part.front();
    std::vector<double> sums(total.sums.begin(), total.sums.end());
    for (std::int64_t p = 1; p < parts; ++p) {
      for (std::int64_t i = 0; i < entries; ++i) sums[i] += static_cast<double>(part[p].sums[i]);
      for (std::int64_t o = 0; o < data_->outputs; ++o) total.deltas[o] += part[p].deltas[o];
      total.loss += part[p].loss;
    }
    unpack(sums, total.deltas, out);
    return total.loss;
  }

  /// From the gradient by stored inputs to that by the parameters.
  void unpack(const std::vector<double>& sums, const std::array<double, kSparseBlock>& deltas,
              at::Tensor& out) const {
    const std::int64_t d = data_->columns(), k = data_->outputs;
    double* to = out.mutable_data_ptr<double>();
    for (std::int64_t o = 0; o < k; ++o) {
      for (std::int64_t c = 0; c < d; ++c) {
        const double sum = sums[c * kSparseBlock + o];
        to[o * d + c] =
            data_->normalised ? (sum - data_->mean[c] * deltas[o]) * data_->inverse[c] : sum;
      }
      if (data_->bias) to[k * d + o] = deltas[o];
    }
  }

  std::shared_ptr<const LinearData> data_;
  std::array<S, 256> table_;  // what a byte stands for
  at::Tensor labels_;         // [n] int32, of a classification
  at::Tensor values_;         // [n, outputs] float32, of a regression
};

}  // namespace

std::shared_ptr<const Objective> make_linear_objective(const at::Tensor& inputs,
                                                       const at::Tensor& targets,
                                                       std::int64_t outputs, bool bias,
                                                       const LinearInputs& view,
                                                       Precision precision) {
  MODELDIFF_CHECK(outputs >= 1 && outputs <= kSparseBlock, fmt::format("{} outputs", outputs));
  auto data = std::make_shared<LinearData>(LinearData{
      SparseMatrix(inputs), view.mean, view.deviation, outputs, bias, !view.mean.empty()});
  for (double& deviation : data->inverse) deviation = 1 / deviation;
  if (precision == Precision::float64)
    return std::make_shared<LinearObjective<double>>(std::move(data), targets);
  return std::make_shared<LinearObjective<float>>(std::move(data), targets);
}

}  // namespace modeldiff
