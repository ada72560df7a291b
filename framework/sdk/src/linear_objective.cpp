#include "modeldiff/objective.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "aligned_vector.h"
#include "difference_pass.h"
#include "linear_data.h"
#include "modeldiff/core/error.h"
#include "modeldiff/parallel.h"

namespace modeldiff {
namespace {

/// Rows that pass forward and backward together: their numbers stay in the first cache.
constexpr std::int64_t kTileRows = 32;
/// Columns whose sums of all parts are added by one thread.
constexpr std::int64_t kLeastRange = 4096;

/// So many rows are summed without packing the weights.
constexpr std::size_t kFewRows = 16;

/// Rows of which the factors of a Kronecker product are made.
constexpr std::size_t kInputMomentRows = 4096;
constexpr std::size_t kOutputHessianRows = 1024;
/// Columns whose products, one for each pair, are kept: 270 MB.
constexpr std::int64_t kMostMomentColumns = 8192;

template <typename S>
class LinearObjective final : public Objective {
 public:
  LinearObjective(std::shared_ptr<const LinearData> data, const at::Tensor& targets)
      : data_(std::move(data)),
        together_(make_difference_pass<S>(data_, targets.scalar_type() == at::kLong)) {
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
    if (rows.size() <= kFewRows) return few_gradients(w, rows, out);
    const PackedWeights<S> block = data_->pack<S>(w);
    return sum_over(rows, out, [&](RowSpan tile, S* z, S*) {
      data_->multiply(block, tile, z);
      return residuals(tile, z);
    });
  }

  void difference_sum(const at::Tensor& w, const at::Tensor& v, RowSpan rows,
                      at::Tensor& out) const override {
    const PackedWeights<S> change = data_->pack<S>(v);
    if (values_.defined()) {  // linear in w
      sum_over(rows, out, [&](RowSpan tile, S* z, S*) {
        data_->multiply(change, tile, z);
        return 0.0;
      });
      return;
    }
    const PackedWeights<S> block = data_->pack<S>(w);
    sum_over(rows, out, [&](RowSpan tile, S* dz, S* z) {
      data_->multiply(block, tile, z);
      data_->multiply(change, tile, dz);
      kernels<S>().softmax_differences(z, dz, static_cast<std::int64_t>(tile.size()),
                                       data_->outputs);
      return 0.0;
    });
  }

  void difference_sums(const at::Tensor& w, const at::Tensor& v, RowSpan rows,
                       at::Tensor& out) const override {
    together_->difference_sums(w, v, rows, out);
  }

  KroneckerHessian kronecker_hessian(const at::Tensor& w, RowSpan rows,
                                     const at::Tensor& inputs) const override {
    const std::int64_t k = data_->outputs;
    KroneckerHessian out;
    if (data_->columns() > kMostMomentColumns) return out;
    out.bias = data_->bias;
    out.inputs = inputs.defined() ? inputs : input_moments(some_of(rows, kInputMomentRows));
    if (values_.defined()) {
      out.outputs = at::eye(k, at::kFloat);
      return out;
    }
    const std::vector<std::int32_t> some = some_of(rows, kOutputHessianRows);
    const auto count = static_cast<std::int64_t>(some.size());
    AlignedVector<S> q(count * kSparseBlock);
    data_->multiply(data_->pack<S>(w), some, q.data());
    kernels<S>().softmax(q.data(), count, k);
    const at::Tensor p =
        at::from_blob(q.data(), {count, kSparseBlock}, at::CppTypeToScalarType<S>::value)
            .narrow(1, 0, k)
            .to(at::kFloat);
    out.outputs = p.mean(0).diag() - p.t().matmul(p) / static_cast<double>(count);
    return out;
  }

  std::shared_ptr<const Objective> with_targets(const at::Tensor& targets) const override {
    return std::make_shared<LinearObjective>(data_, targets);
  }

 private:
  /// The gradient of so few rows that the weights are not worth packing, in float64.
  double few_gradients(const at::Tensor& w, RowSpan rows, at::Tensor& out) const {
    const std::int64_t d = data_->columns(), k = data_->outputs;
    const double* from = w.const_data_ptr<double>();
    double* to = out.zero_().template mutable_data_ptr<double>();
    std::vector<std::pair<std::int64_t, double>> x;
    double loss = 0;
    for (const std::int32_t row : rows) {
      read_row(row, x);
      std::array<double, kSparseBlock> z{};
      for (std::int64_t o = 0; o < k; ++o) {
        z[o] = data_->bias ? from[k * d + o] : 0;
        for (const auto& [column, value] : x) z[o] += from[o * d + column] * value;
      }
      loss += residuals_of(row, z);
      for (std::int64_t o = 0; o < k; ++o) {
        for (const auto& [column, value] : x) to[o * d + column] += z[o] * value;
        if (data_->bias) to[k * d + o] += z[o];
      }
    }
    return loss;
  }

  /// x <- the inputs of a row that are not zero, as the weights see them.
  void read_row(std::int32_t row, std::vector<std::pair<std::int64_t, double>>& x) const {
    const SparseRows rows = data_->matrix.view();
    x.clear();
    if (data_->normalised) {
      for (std::int64_t c = 0; c < data_->columns(); ++c)
        x.emplace_back(c, -data_->mean[c] * data_->inverse[c]);
    }
    for (std::int64_t i = rows.offsets[row]; i < rows.offsets[row + 1]; ++i) {
      const std::int64_t column = rows.wide ? static_cast<const std::uint32_t*>(rows.columns)[i]
                                            : static_cast<const std::uint16_t*>(rows.columns)[i];
      const double value =
          rows.bytes ? static_cast<double>(
                           byte_values<S>()[static_cast<const std::uint8_t*>(rows.numbers)[i]])
                     : static_cast<double>(static_cast<const float*>(rows.numbers)[i]);
      if (data_->normalised) {
        x[column].second += value * data_->inverse[column];
      } else {
        x.emplace_back(column, value);
      }
    }
  }

  /// z <- the gradient of a row's loss by the outputs. @return the loss
  double residuals_of(std::int32_t row, std::array<double, kSparseBlock>& z) const {
    const std::int64_t k = data_->outputs;
    double loss = 0;
    if (labels_.defined()) {
      const std::int32_t label = labels_.const_data_ptr<std::int32_t>()[row];
      const double largest = *std::max_element(z.begin(), z.begin() + k), own = z[label];
      double sum = 0;
      for (std::int64_t o = 0; o < k; ++o) sum += z[o] = std::exp(z[o] - largest);
      for (std::int64_t o = 0; o < k; ++o) z[o] /= sum;
      z[label] -= 1;
      return largest - own + std::log(sum);
    }
    const float* values = values_.const_data_ptr<float>() + row * k;
    for (std::int64_t o = 0; o < k; ++o) {
      z[o] -= static_cast<double>(values[o]);
      loss += 0.5 * z[o] * z[o];
    }
    return loss;
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
    const std::int64_t parts = data_->parts_of(count);
    const std::int64_t entries = data_->columns() * kSparseBlock;
    struct Part {
      AlignedVector<S> sums;
      std::array<double, kSparseBlock> deltas{};
      double loss = 0;
    };
    std::vector<Part> part(parts);
    in_parallel(parts, [&](std::int64_t p) {
      alignas(64) std::array<S, kTileRows * kSparseBlock> delta, scratch;
      part[p].sums = spare_->take();
      part[p].sums.assign(entries, 0);
      const std::int64_t end = count * (p + 1) / parts;
      for (std::int64_t begin = count * p / parts; begin < end; begin += kTileRows) {
        const RowSpan tile = rows.subspan(begin, std::min(kTileRows, end - begin));
        part[p].loss += deltas(tile, delta.data(), scratch.data());
        kernels<S>().multiply_transposed(data_->matrix.view(), byte_values<S>().data(), tile.data(),
                                         static_cast<std::int64_t>(tile.size()), delta.data(),
                                         part[p].sums.data());
        for (std::size_t r = 0; r < tile.size(); ++r) {
          for (std::int64_t o = 0; o < data_->outputs; ++o)
            part[p].deltas[o] += static_cast<double>(delta[r * kSparseBlock + o]);
        }
      }
    });
    Part& total = part.front();
    for (std::int64_t p = 1; p < parts; ++p) {
      for (std::int64_t o = 0; o < data_->outputs; ++o) total.deltas[o] += part[p].deltas[o];
      total.loss += part[p].loss;
    }
    double* to = out.mutable_data_ptr<double>();
    const std::int64_t ranges = std::clamp<std::int64_t>(data_->columns() / kLeastRange, 1, parts);
    in_parallel(ranges, [&](std::int64_t range) {
      std::array<double, kSparseBlock> sums;
      const std::int64_t end = data_->columns() * (range + 1) / ranges;
      for (std::int64_t c = data_->columns() * range / ranges; c < end; ++c) {
        sums.fill(0);
        for (const Part& some : part)
          for (std::int64_t o = 0; o < data_->outputs; ++o)
            sums[o] += static_cast<double>(some.sums[c * kSparseBlock + o]);
        data_->unpack_column(c, sums.data(), total.deltas, to);
      }
    });
    data_->unpack_bias(total.deltas, to);
    for (Part& some : part) spare_->give_back(std::move(some.sums));
    return total.loss;
  }

  /// At least `count` rows at even distances, or all.
  static std::vector<std::int32_t> some_of(RowSpan rows, std::size_t count) {
    std::vector<std::int32_t> out;
    const std::size_t stride = std::max<std::size_t>(1, rows.size() / count);
    for (std::size_t i = 0; i < rows.size(); i += stride) out.push_back(rows[i]);
    return out;
  }

  /// Mean of x x' over rows, with a 1 for the bias.
  at::Tensor input_moments(RowSpan rows) const {
    const std::int64_t d = data_->columns(), c = d + (data_->bias ? 1 : 0);
    const auto count = static_cast<std::int64_t>(rows.size());
    at::Tensor x = at::zeros({count, c}, at::kFloat);
    float* values = x.mutable_data_ptr<float>();
    std::vector<std::pair<std::int64_t, double>> row;
    for (const std::int32_t r : rows) {
      read_row(r, row);
      for (const auto& [column, value] : row) values[column] = static_cast<float>(value);
      values += c;
    }
    if (data_->bias) x.select(1, d).fill_(1);
    return x.t().matmul(x) / static_cast<double>(count);
  }

  std::shared_ptr<const LinearData> data_;
  std::shared_ptr<SpareMemory<S>> spare_ = std::make_shared<SpareMemory<S>>();
  std::unique_ptr<const DifferencePass> together_;
  at::Tensor labels_;  // [n] int32, of a classification
  at::Tensor values_;  // [n, outputs] float32, of a regression
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
