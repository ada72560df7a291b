#include "modeldiff/objective.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "aligned_vector.h"
#include "modeldiff/core/error.h"
#include "modeldiff/mlp_kernels.h"
#include "modeldiff/parallel.h"
#include "sorted_tile.h"
#include "sparse_kernels.h"
#include "sparse_matrix.h"

namespace modeldiff {
namespace {

/// Rows that pass forward and backward together: their numbers stay in the first cache.
constexpr std::int64_t kTileRows = 32;
/// Rows are cut into parts whose sums are added in their order, whatever thread makes them.
constexpr std::int64_t kMostParts = 16;
constexpr std::int64_t kLeastPartRows = 512;
/// Each part has sums of its own for all columns, to be made 0 and added: it is worth that when its
/// rows have so many numbers for each column.
constexpr std::int64_t kNumbersOfColumn = 4;
/// Columns whose sums of all parts are added by one thread.
constexpr std::int64_t kLeastRange = 4096;

/// So many rows are summed without packing the weights.
constexpr std::size_t kFewRows = 16;

/// Many changes at once: rows of a tile, whose outputs stay in the first cache, tiles of a strip,
/// which are sorted by column once for all of them, and vectors of changes of one pass.
constexpr std::int64_t kLaneTileRows = 64;
constexpr std::int64_t kStripTiles = 8;
constexpr std::int64_t kLaneGroups = 8;
/// 6 bytes each in float32.
constexpr std::int64_t kMostSortedEntries = 40'000'000;
/// Rows of which the factors of a Kronecker product are made.
constexpr std::size_t kInputMomentRows = 4096;
constexpr std::size_t kOutputHessianRows = 1024;
/// Columns whose products, one for each pair, are kept: 270 MB.
constexpr std::int64_t kMostMomentColumns = 8192;

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
    if (rows.size() <= kFewRows) return few_gradients(w, rows, out);
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

  void difference_sums(const at::Tensor& w, const at::Tensor& v, RowSpan rows,
                       at::Tensor& out) const override {
    const std::int64_t most = kLaneGroups * kernels<S>().lanes;
    for (std::int64_t first = 0; first < v.size(0); first += most) {
      const std::int64_t count = std::min(most, v.size(0) - first);
      at::Tensor part = out.narrow(0, first, count);
      some_difference_sums(w, v.narrow(0, first, count), rows, part);
    }
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
    multiply(pack(w), some, q.data());
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
          rows.bytes
              ? static_cast<double>(table_[static_cast<const std::uint8_t*>(rows.numbers)[i]])
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

  /// Weights of the inputs as they are stored, and what is added to each row's outputs.
  struct Block {
    AlignedVector<S> weights;  // [columns, kSparseBlock]
    std::array<S, kSparseBlock> offset{};
  };

  Block pack(const at::Tensor& w) const {
    const std::int64_t d = data_->columns(), k = data_->outputs;
    const double* from = w.const_data_ptr<double>();
    Block out{AlignedVector<S>(d * kSparseBlock), {}};
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
    const std::int64_t parts = parts_of(count);
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
        unpack_column(c, sums.data(), total.deltas, to);
      }
    });
    unpack_bias(total.deltas, to);
    for (Part& some : part) spare_->give_back(std::move(some.sums));
    return total.loss;
  }

  /// Into how many parts so many rows are cut.
  std::int64_t parts_of(std::int64_t count) const {
    const double numbers = static_cast<double>(count) * data_->matrix.numbers_of_row();
    const auto worth = static_cast<std::int64_t>(numbers) / (kNumbersOfColumn * data_->columns());
    return std::clamp<std::int64_t>(std::min(count / kLeastPartRows, worth), 1, kMostParts);
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
    for (const SortedTile<S>& sorted : sort(rows)) {
      const TileColumns<S> tile = sorted.view();
      for (std::int64_t i = 0; i < tile.count; ++i)
        for (std::int32_t e = tile.starts[i]; e < tile.starts[i + 1]; ++e)
          values[tile.rows[e] * c + tile.columns[i]] = static_cast<float>(tile.values[e]);
      values += std::min(kLaneTileRows, count) * c;
    }
    if (data_->normalised) {
      at::Tensor own = x.narrow(1, 0, d);
      own.sub_(at::tensor(data_->mean, at::kFloat)).mul_(at::tensor(data_->inverse, at::kFloat));
    }
    if (data_->bias) x.select(1, d).fill_(1);
    return x.t().matmul(x) / static_cast<double>(count);
  }

  // ---- many changes at once ----

  /// Changes in groups of as many as a vector has lanes, those of a group side by side.
  struct LaneBlocks {
    AlignedVector<S> weights;  // [groups, columns, outputs, lanes]
    AlignedVector<S> offsets;  // [groups, outputs, lanes]
  };

  LaneBlocks pack_lanes(const at::Tensor& v) const {
    const std::int64_t d = data_->columns(), k = data_->outputs, lanes = kernels<S>().lanes;
    const std::int64_t groups = (v.size(0) + lanes - 1) / lanes;
    LaneBlocks out{AlignedVector<S>(groups * d * k * lanes), AlignedVector<S>(groups * k * lanes)};
    for (std::int64_t j = 0; j < v.size(0); ++j) {
      const Block block = pack(v[j]);
      S* weights = out.weights.data() + (j / lanes) * d * k * lanes + j % lanes;
      for (std::int64_t c = 0; c < d; ++c)
        for (std::int64_t o = 0; o < k; ++o)
          weights[(c * k + o) * lanes] = block.weights[c * kSparseBlock + o];
      for (std::int64_t o = 0; o < k; ++o)
        out.offsets[((j / lanes) * k + o) * lanes + j % lanes] = block.offset[o];
    }
    return out;
  }

  /// What the rows of a part add to the gradients.
  struct LanePart {
    AlignedVector<S> sums;       // as LaneBlocks::weights
    std::vector<double> deltas;  // as LaneBlocks::offsets
  };

  void some_difference_sums(const at::Tensor& w, const at::Tensor& v, RowSpan rows,
                            at::Tensor& out) const {
    const Block block = pack(w);
    const LaneBlocks changes = pack_lanes(v);
    const std::int64_t parts = parts_of(static_cast<std::int64_t>(rows.size()));
    const auto sorted = sorted_of(rows, parts);
    std::vector<LanePart> part(parts);
    in_parallel(parts, [&](std::int64_t p) {
      const RowSpan some = part_of(rows, p, parts);
      part[p] = lane_part(block, changes, some, sorted ? sorted->tiles[p] : sort(some));
    });
    const std::int64_t d = data_->columns(), k = data_->outputs, lanes = kernels<S>().lanes;
    std::vector<double> sums(d * kSparseBlock);
    for (std::int64_t j = 0; j < v.size(0); ++j) {
      const std::int64_t group = j / lanes, lane = j % lanes;
      std::array<double, kSparseBlock> deltas{};
      std::fill(sums.begin(), sums.end(), 0);
      for (const LanePart& some : part) {
        for (std::int64_t c = 0; c < d; ++c)
          for (std::int64_t o = 0; o < k; ++o)
            sums[c * kSparseBlock + o] +=
                static_cast<double>(some.sums[((group * d + c) * k + o) * lanes + lane]);
        for (std::int64_t o = 0; o < k; ++o)
          deltas[o] += some.deltas[(group * k + o) * lanes + lane];
      }
      double* to = out.mutable_data_ptr<double>() + j * parameters();
      for (std::int64_t c = 0; c < d; ++c)
        unpack_column(c, sums.data() + c * kSparseBlock, deltas, to);
      unpack_bias(deltas, to);
    }
  }

  /// Rows that were sorted last, and those of the last call.
  struct SortedRows {
    std::vector<std::vector<SortedTile<S>>> tiles;  // by part
  };
  struct SortedCache {
    std::mutex mutex;
    std::vector<std::int32_t> last;
    std::shared_ptr<const SortedRows> rows;
  };

  static RowSpan part_of(RowSpan rows, std::int64_t part, std::int64_t parts) {
    const auto count = static_cast<std::int64_t>(rows.size());
    const std::int64_t begin = count * part / parts;
    return rows.subspan(begin, count * (part + 1) / parts - begin);
  }

  std::vector<SortedTile<S>> sort(RowSpan rows) const {
    std::vector<SortedTile<S>> out;
    std::vector<std::int32_t> counts(data_->columns());
    for (std::size_t begin = 0; begin < rows.size(); begin += kLaneTileRows) {
      const std::size_t size = std::min<std::size_t>(kLaneTileRows, rows.size() - begin);
      out.emplace_back().sort(data_->matrix.view(), table_, rows.subspan(begin, size), counts);
    }
    return out;
  }

  /// Rows of a full batch, sorted once for all steps; nothing while the rows differ from those of
  /// the last call, and where they would take too much memory.
  std::shared_ptr<const SortedRows> sorted_of(RowSpan rows, std::int64_t parts) const {
    const std::lock_guard lock(sorted_->mutex);
    const bool same =
        std::equal(rows.begin(), rows.end(), sorted_->last.begin(), sorted_->last.end());
    if (!same) {
      sorted_->last.assign(rows.begin(), rows.end());
      sorted_->rows.reset();
      return nullptr;
    }
    if (sorted_->rows) return sorted_->rows;
    const SparseRows x = data_->matrix.view();
    std::int64_t entries = 0;
    for (const std::int32_t row : rows) entries += x.offsets[row + 1] - x.offsets[row];
    if (entries > kMostSortedEntries) return nullptr;
    auto made = std::make_shared<SortedRows>();
    made->tiles.resize(parts);
    in_parallel(parts, [&](std::int64_t p) { made->tiles[p] = sort(part_of(rows, p, parts)); });
    sorted_->rows = made;
    return made;
  }

  LanePart lane_part(const Block& block, const LaneBlocks& changes, RowSpan rows,
                     const std::vector<SortedTile<S>>& tiles) const {
    LanePart out{AlignedVector<S>(changes.weights.size()),
                 std::vector<double>(changes.offsets.size())};
    AlignedVector<S> q(kStripTiles * kLaneTileRows * kSparseBlock);
    const std::int64_t of_group = data_->outputs * kernels<S>().lanes;
    const std::size_t strip_rows = kStripTiles * kLaneTileRows;
    AlignedVector<S> dz(strip_rows * of_group);
    for (std::size_t begin = 0; begin < rows.size(); begin += strip_rows) {
      const RowSpan strip = rows.subspan(begin, std::min(strip_rows, rows.size() - begin));
      const std::size_t first_tile = begin / kLaneTileRows;
      const std::size_t count = (strip.size() + kLaneTileRows - 1) / kLaneTileRows;
      if (labels_.defined()) {
        multiply(block, strip, q.data());
        kernels<S>().softmax(q.data(), static_cast<std::int64_t>(strip.size()), data_->outputs);
      }
      for (std::size_t first = 0; first < changes.offsets.size(); first += of_group) {
        const std::size_t entries = first * data_->columns();
        // All tiles forward, then all back: the second cache holds the weights or the sums.
        for (std::size_t r = 0; r < strip.size(); ++r)
          std::copy_n(changes.offsets.begin() + static_cast<std::ptrdiff_t>(first), of_group,
                      dz.begin() + static_cast<std::ptrdiff_t>(r * of_group));
        kernels<S>().multiply_lanes(data_->matrix.view(), table_.data(), strip.data(),
                                    static_cast<std::int64_t>(strip.size()),
                                    changes.weights.data() + entries, data_->outputs, dz.data());
        if (labels_.defined()) {
          kernels<S>().softmax_differences_lanes(
              q.data(), dz.data(), static_cast<std::int64_t>(strip.size()), data_->outputs);
        }
        for (std::size_t t = 0; t < count; ++t) {
          kernels<S>().multiply_transposed_lanes(tiles[first_tile + t].view(),
                                                 dz.data() + t * kLaneTileRows * of_group,
                                                 data_->outputs, out.sums.data() + entries);
        }
        for (std::size_t r = 0; r < strip.size(); ++r)
          for (std::int64_t e = 0; e < of_group; ++e)
            out.deltas[first + e] += static_cast<double>(dz[r * of_group + e]);
      }
    }
    return out;
  }

  /// From the gradient by a stored input to that by the parameters.
  void unpack_column(std::int64_t c, const double* sums,
                     const std::array<double, kSparseBlock>& deltas, double* to) const {
    for (std::int64_t o = 0; o < data_->outputs; ++o) {
      to[o * data_->columns() + c] =
          data_->normalised ? (sums[o] - data_->mean[c] * deltas[o]) * data_->inverse[c] : sums[o];
    }
  }
  void unpack_bias(const std::array<double, kSparseBlock>& deltas, double* to) const {
    if (!data_->bias) return;
    std::copy_n(deltas.begin(), data_->outputs, to + data_->outputs * data_->columns());
  }

  std::shared_ptr<const LinearData> data_;
  std::shared_ptr<SpareMemory<S>> spare_ = std::make_shared<SpareMemory<S>>();
  std::shared_ptr<SortedCache> sorted_ = std::make_shared<SortedCache>();
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
