#include "pair_strip.h"

#include <algorithm>

namespace modeldiff {
namespace {

/// Rows whose bytes sum to at most kMostByteSum in each column, and whose numbers are about as many
/// as the first cache holds.
constexpr std::int64_t kPairTileRows = 256;
static_assert(kPairTileRows * 255 <= kMostByteSum);
/// The largest divisor of a column may be so many times the least.
constexpr double kMostSpread = 4;

}  // namespace

PairList pairs_of_rows(const SparseRows& x, RowSpan rows) {
  const auto* columns = static_cast<const std::uint16_t*>(x.columns);
  const auto* bytes = static_cast<const std::uint8_t*>(x.numbers);
  PairList out;
  std::size_t most = 0;
  for (const std::int32_t row : rows) most += x.offsets[row + 1] - x.offsets[row];
  out.pairs.resize(most);
  out.words.resize(most);
  std::int32_t used = 0;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::int32_t begin = used, sum = 0;
    const auto close = [&] {
      out.targets.push_back(static_cast<std::int32_t>(r));
      out.starts.push_back(used);
      begin = used;
      sum = 0;
    };
    for (std::int64_t i = x.offsets[rows[r]]; i < x.offsets[rows[r] + 1]; ++i) {
      if (sum + bytes[i] > kMostByteSum) close();
      sum += bytes[i];
      const auto pair = static_cast<std::uint16_t>(columns[i] / 2);
      const std::uint32_t word = std::uint32_t{bytes[i]} << (columns[i] % 2 * 16);
      const bool second = used > begin && out.pairs[used - 1] == pair;
      used -= second;
      out.words[used] = (second ? out.words[used] : 0) | word;
      out.pairs[used++] = pair;
    }
    close();
  }
  out.pairs.resize(used);
  out.words.resize(used);
  out.pairs.shrink_to_fit();
  out.words.shrink_to_fit();
  return out;
}

PairList pairs_of_columns(const SparseRows& x, RowSpan rows, std::int64_t columns_count) {
  const auto* columns = static_cast<const std::uint16_t*>(x.columns);
  const auto* bytes = static_cast<const std::uint8_t*>(x.numbers);
  // For each column: the pair of rows that had it last, and how many did, then where the next goes.
  constexpr std::int32_t kNone = -1;
  std::vector<std::int32_t> last(columns_count, kNone), next(columns_count, 0);
  const auto pair_of = [](std::size_t r) { return static_cast<std::int32_t>(r / 2); };
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::int64_t i = x.offsets[rows[r]]; i < x.offsets[rows[r] + 1]; ++i) {
      next[columns[i]] += last[columns[i]] != pair_of(r);
      last[columns[i]] = pair_of(r);
    }
  }
  PairList out;
  for (std::int64_t c = 0; c < columns_count; ++c) {
    if (next[c] == 0) continue;
    const std::int32_t begin = out.starts.back();
    out.targets.push_back(static_cast<std::int32_t>(c));
    out.starts.push_back(begin + next[c]);
    next[c] = begin;
    last[c] = kNone;
  }
  out.pairs.resize(out.starts.back());
  out.words.resize(out.starts.back());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::int64_t i = x.offsets[rows[r]]; i < x.offsets[rows[r] + 1]; ++i) {
      const std::int32_t at = next[columns[i]] - (last[columns[i]] == pair_of(r));
      out.pairs[at] = static_cast<std::uint16_t>(pair_of(r));
      out.words[at] |= std::uint32_t{bytes[i]} << (r % 2 * 16);
      next[columns[i]] = at + 1;
      last[columns[i]] = pair_of(r);
    }
  }
  return out;
}

bool PairStrip::suits(const LinearData& data) {
  const SparseRows x = data.matrix.view();
  if (!x.bytes || x.wide) return false;
  const auto [least, largest] = std::minmax_element(data.inverse.begin(), data.inverse.end());
  return data.inverse.empty() || *largest <= kMostSpread * *least;
}

PairStrip::Weights::Weights(const LinearData& data, const AlignedVector<float>& numbers) {
  const PairKernels& kernels = sparse_kernel_set().pairs;
  const std::int64_t of_column = data.outputs * sparse_kernel_set().single.lanes;
  const std::int64_t groups =
      static_cast<std::int64_t>(numbers.size()) / (data.columns() * of_column);
  words_of_group_ = (data.columns() + 1) / 2 * of_column;
  words_.resize(groups * words_of_group_);
  scales_.resize(groups * of_column);
  for (std::int64_t g = 0; g < groups; ++g) {
    kernels.round(numbers.data() + g * data.columns() * of_column, data.columns(), data.outputs,
                  words_.data() + g * words_of_group_, scales_.data() + g * of_column);
  }
}

PairStrip::PairStrip(const LinearData& data, RowSpan rows)
    : rows_(static_cast<std::int64_t>(rows.size())),
      by_row_(pairs_of_rows(data.matrix.view(), rows)) {
  for (std::int64_t begin = 0; begin < rows_; begin += kPairTileRows) {
    const RowSpan tile = rows.subspan(begin, std::min(kPairTileRows, rows_ - begin));
    by_column_.push_back(pairs_of_columns(data.matrix.view(), tile, data.columns()));
  }
}

void PairStrip::multiply(const LinearData& data, const Weights& weights, std::int64_t group,
                         float* z) const {
  const std::int64_t of_column = data.outputs * sparse_kernel_set().single.lanes;
  sparse_kernel_set().pairs.multiply(
      by_row_.view(), weights.words_.data() + group * weights.words_of_group_,
      weights.scales_.data() + group * of_column, data.columns(), data.outputs, z);
}

void PairStrip::multiply_transposed(const LinearData& data, const float* d, float* g) const {
  const PairKernels& kernels = sparse_kernel_set().pairs;
  const std::int64_t of_row = data.outputs * sparse_kernel_set().single.lanes;
  AlignedVector<std::int32_t> words(kPairTileRows / 2 * of_row);
  AlignedVector<float> scale(of_row);
  for (std::size_t t = 0; t < by_column_.size(); ++t) {
    const std::int64_t begin = static_cast<std::int64_t>(t) * kPairTileRows;
    const std::int64_t rows = std::min(kPairTileRows, rows_ - begin);
    kernels.round(d + begin * of_row, rows, data.outputs, words.data(), scale.data());
    kernels.multiply(by_column_[t].view(), words.data(), scale.data(), rows, data.outputs, g);
  }
}

}  // namespace modeldiff
