#include "difference_pass.h"

#include <algorithm>
#include <mutex>
#include <type_traits>
#include <utility>
#include <vector>

#include "modeldiff/parallel.h"
#include "pair_strip.h"
#include "sorted_strip.h"

namespace modeldiff {
namespace {

/// Rows whose products are made together, for one group of changes after the other: their outputs
/// stay in the second cache.
constexpr std::int64_t kStripRows = 512;
/// Vectors of changes of one pass.
constexpr std::int64_t kLaneGroups = 8;
/// 6 to 12 bytes each in float32.
constexpr std::int64_t kMostKeptNumbers = 40'000'000;

RowSpan part_of(RowSpan rows, std::int64_t part, std::int64_t parts) {
  const auto count = static_cast<std::int64_t>(rows.size());
  const std::int64_t begin = count * part / parts;
  return rows.subspan(begin, count * (part + 1) / parts - begin);
}

RowSpan strip_of(RowSpan rows, std::int64_t strip) {
  const std::int64_t begin = strip * kStripRows;
  return rows.subspan(begin, std::min(kStripRows, static_cast<std::int64_t>(rows.size()) - begin));
}

std::int64_t strips_of(RowSpan rows) {
  return (static_cast<std::int64_t>(rows.size()) + kStripRows - 1) / kStripRows;
}

/// The strips of a full batch, made once for all steps.
template <typename Strip>
class KeptStrips {
 public:
  using Parts = std::vector<std::vector<Strip>>;

  /// Nothing while the rows differ from those of the last call, and where they would take too much
  /// memory.
  std::shared_ptr<const Parts> of(const LinearData& data, RowSpan rows) {
    const std::lock_guard lock(mutex_);
    if (!std::equal(rows.begin(), rows.end(), last_.begin(), last_.end())) {
      last_.assign(rows.begin(), rows.end());
      parts_.reset();
      return nullptr;
    }
    if (parts_) return parts_;
    const SparseRows x = data.matrix.view();
    std::int64_t numbers = 0;
    for (const std::int32_t row : rows) numbers += x.offsets[row + 1] - x.offsets[row];
    if (numbers > kMostKeptNumbers) return nullptr;
    const std::int64_t parts = data.parts_of(static_cast<std::int64_t>(rows.size()));
    auto made = std::make_shared<Parts>(parts);
    in_parallel(parts, [&](std::int64_t p) {
      const RowSpan part = part_of(rows, p, parts);
      for (std::int64_t s = 0; s < strips_of(part); ++s)
        (*made)[p].emplace_back(data, strip_of(part, s));
    });
    parts_ = made;
    return made;
  }

 private:
  std::mutex mutex_;
  std::vector<std::int32_t> last_;
  std::shared_ptr<const Parts> parts_;
};

/// @tparam Strip makes the products: SortedStrip or PairStrip
template <typename Strip>
class LanePass final : public DifferencePass {
 public:
  LanePass(std::shared_ptr<const LinearData> data, bool classes)
      : data_(std::move(data)),
        classes_(classes),
        of_row_(data_->outputs * kernels<S>().lanes),
        of_group_(data_->columns() * of_row_) {}

  void difference_sums(const at::Tensor& w, const at::Tensor& v, RowSpan rows,
                       at::Tensor& out) const override {
    const PackedWeights<S> before = data_->pack<S>(w);
    const std::int64_t most = kLaneGroups * kernels<S>().lanes;
    for (std::int64_t first = 0; first < v.size(0); first += most) {
      const std::int64_t count = std::min(most, v.size(0) - first);
      at::Tensor part = out.narrow(0, first, count);
      some_difference_sums(before, v.narrow(0, first, count), rows, part);
    }
  }

 private:
  using S = typename Strip::Number;

  /// Changes in groups of as many as a vector has lanes, those of a group side by side.
  struct Changes {
    std::int64_t groups;
    typename Strip::Weights weights;
    AlignedVector<S> offsets;  // [groups, outputs, lanes]
  };

  Changes pack(const at::Tensor& v) const {
    const std::int64_t d = data_->columns(), k = data_->outputs, lanes = kernels<S>().lanes;
    const std::int64_t groups = (v.size(0) + lanes - 1) / lanes;
    AlignedVector<S> weights(groups * of_group_), offsets(groups * of_row_);
    for (std::int64_t j = 0; j < v.size(0); ++j) {
      const PackedWeights<S> change = data_->pack<S>(v[j]);
      S* to = weights.data() + j / lanes * of_group_ + j % lanes;
      for (std::int64_t c = 0; c < d; ++c)
        for (std::int64_t o = 0; o < k; ++o)
          to[(c * k + o) * lanes] = change.weights[c * kSparseBlock + o];
      for (std::int64_t o = 0; o < k; ++o)
        offsets[(j / lanes * k + o) * lanes + j % lanes] = change.offset[o];
    }
    return {groups, {*data_, std::move(weights)}, std::move(offsets)};
  }

  /// What the rows of a part add to the gradients.
  struct Part {
    AlignedVector<S> sums;       // [groups, columns, outputs, lanes]
    std::vector<double> deltas;  // [groups, outputs, lanes]
  };

  void some_difference_sums(const PackedWeights<S>& before, const at::Tensor& v, RowSpan rows,
                            at::Tensor& out) const {
    const Changes changes = pack(v);
    const auto kept = kept_.of(*data_, rows);
    std::vector<Part> part(data_->parts_of(static_cast<std::int64_t>(rows.size())));
    const auto parts = static_cast<std::int64_t>(part.size());
    in_parallel(parts, [&](std::int64_t p) {
      const RowSpan own = part_of(rows, p, parts);
      part[p] = {AlignedVector<S>(changes.groups * of_group_),
                 std::vector<double>(changes.offsets.size())};
      Outputs scratch{AlignedVector<S>(kStripRows * kSparseBlock),
                      AlignedVector<S>(kStripRows * of_row_)};
      for (std::int64_t s = 0; s < strips_of(own); ++s) {
        const RowSpan strip = strip_of(own, s);
        if (classes_) {
          data_->multiply(before, strip, scratch.shares.data());
          kernels<S>().softmax(scratch.shares.data(), static_cast<std::int64_t>(strip.size()),
                               data_->outputs);
        }
        if (kept) {
          add_strip((*kept)[p][s], strip.size(), changes, scratch, part[p]);
        } else {
          add_strip(Strip(*data_, strip), strip.size(), changes, scratch, part[p]);
        }
      }
    });
    unpack(part, v.size(0), out);
  }

  /// Of the rows of a strip.
  struct Outputs {
    AlignedVector<S> shares;   // [rows, kSparseBlock], the softmax at w
    AlignedVector<S> changes;  // [rows, outputs, lanes], by one group
  };

  void add_strip(const Strip& strip, std::size_t rows, const Changes& changes, Outputs& outputs,
                 Part& out) const {
    const auto count = static_cast<std::int64_t>(rows);
    S* dz = outputs.changes.data();
    // All rows forward, then all back: the second cache holds the weights or the sums.
    for (std::int64_t g = 0; g < changes.groups; ++g) {
      for (std::int64_t r = 0; r < count; ++r)
        std::copy_n(changes.offsets.data() + g * of_row_, of_row_, dz + r * of_row_);
      strip.multiply(*data_, changes.weights, g, dz);
      if (classes_) {
        kernels<S>().softmax_differences_lanes(outputs.shares.data(), dz, count, data_->outputs);
      }
      strip.multiply_transposed(*data_, dz, out.sums.data() + g * of_group_);
      double* deltas = out.deltas.data() + g * of_row_;
      for (std::int64_t r = 0; r < count; ++r)
        for (std::int64_t e = 0; e < of_row_; ++e)
          deltas[e] += static_cast<double>(dz[r * of_row_ + e]);
    }
  }

  /// out [changes, parameters] <- the sum of the parts
  void unpack(const std::vector<Part>& parts, std::int64_t changes, at::Tensor& out) const {
    const std::int64_t d = data_->columns(), k = data_->outputs, lanes = kernels<S>().lanes;
    std::vector<double> sums(d * kSparseBlock);
    for (std::int64_t j = 0; j < changes; ++j) {
      const std::int64_t group = j / lanes, lane = j % lanes;
      std::array<double, kSparseBlock> deltas{};
      std::fill(sums.begin(), sums.end(), 0);
      for (const Part& some : parts) {
        for (std::int64_t c = 0; c < d; ++c)
          for (std::int64_t o = 0; o < k; ++o)
            sums[c * kSparseBlock + o] +=
                static_cast<double>(some.sums[((group * d + c) * k + o) * lanes + lane]);
        for (std::int64_t o = 0; o < k; ++o)
          deltas[o] += some.deltas[(group * k + o) * lanes + lane];
      }
      double* to = out.mutable_data_ptr<double>() + j * data_->parameters();
      for (std::int64_t c = 0; c < d; ++c)
        data_->unpack_column(c, sums.data() + c * kSparseBlock, deltas, to);
      data_->unpack_bias(deltas, to);
    }
  }

  std::shared_ptr<const LinearData> data_;
  bool classes_;
  std::int64_t of_row_, of_group_;  // outputs x lanes; as much for each column
  mutable KeptStrips<Strip> kept_;
};

}  // namespace

template <typename S>
std::unique_ptr<DifferencePass> make_difference_pass(std::shared_ptr<const LinearData> data,
                                                     bool classes) {
  if constexpr (std::is_same_v<S, float>) {
    if (PairStrip::suits(*data))
      return std::make_unique<LanePass<PairStrip>>(std::move(data), classes);
  }
  return std::make_unique<LanePass<SortedStrip<S>>>(std::move(data), classes);
}
template std::unique_ptr<DifferencePass> make_difference_pass<float>(
    std::shared_ptr<const LinearData>, bool);
template std::unique_ptr<DifferencePass> make_difference_pass<double>(
    std::shared_ptr<const LinearData>, bool);

}  // namespace modeldiff
