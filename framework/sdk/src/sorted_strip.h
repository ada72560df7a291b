#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "aligned_vector.h"
#include "linear_data.h"

namespace modeldiff {

/// The numbers of a tile of rows, by column.
template <typename S>
class SortedTile {
 public:
  /// @param counts [columns], all 0 before and after
  void sort(const SparseRows& x, const std::array<S, 256>& table, RowSpan tile,
            std::vector<std::int32_t>& counts) {
    if (x.wide) {
      sort_columns<std::uint32_t>(x, table, tile, counts);
    } else {
      sort_columns<std::uint16_t>(x, table, tile, counts);
    }
  }

  TileColumns<S> view() const {
    return {columns_.data(), starts_.data(), static_cast<std::int64_t>(columns_.size()),
            rows_.data(), values_.data()};
  }

 private:
  template <typename Column>
  void sort_columns(const SparseRows& x, const std::array<S, 256>& table, RowSpan tile,
                    std::vector<std::int32_t>& counts) {
    const auto* columns = static_cast<const Column*>(x.columns);
    columns_.clear();
    for (const std::int32_t row : tile) {
      for (std::int64_t i = x.offsets[row]; i < x.offsets[row + 1]; ++i)
        if (counts[columns[i]]++ == 0) columns_.push_back(static_cast<std::int32_t>(columns[i]));
    }
    std::sort(columns_.begin(), columns_.end());
    starts_.assign(1, 0);
    for (const std::int32_t column : columns_) {
      const std::int32_t begin = starts_.back();
      starts_.push_back(begin + counts[column]);
      counts[column] = begin;
    }
    rows_.resize(starts_.back());
    values_.resize(starts_.back());
    if (x.bytes) {
      const auto* bytes = static_cast<const std::uint8_t*>(x.numbers);
      place(x, columns, tile, counts, [&](std::int64_t i) { return table[bytes[i]]; });
    } else {
      const auto* floats = static_cast<const float*>(x.numbers);
      place(x, columns, tile, counts, [&](std::int64_t i) { return static_cast<S>(floats[i]); });
    }
    for (const std::int32_t column : columns_) counts[column] = 0;
  }

  template <typename Column, typename Number>
  void place(const SparseRows& x, const Column* columns, RowSpan tile,
             std::vector<std::int32_t>& counts, const Number& number) {
    std::uint16_t* rows = rows_.data();
    S* values = values_.data();
    for (std::size_t r = 0; r < tile.size(); ++r) {
      for (std::int64_t i = x.offsets[tile[r]]; i < x.offsets[tile[r] + 1]; ++i) {
        const std::int32_t at = counts[columns[i]]++;
        rows[at] = static_cast<std::uint16_t>(r);
        values[at] = number(i);
      }
    }
  }

  std::vector<std::int32_t> columns_, starts_;
  std::vector<std::uint16_t> rows_;
  std::vector<S> values_;
};

/// Products of some rows with groups of matrices, one matrix in each lane.
template <typename S>
class SortedStrip {
 public:
  using Number = S;

  /// Groups of matrices as multiply() takes them.
  struct Weights {
    AlignedVector<S> numbers;  // [groups, columns, outputs, lanes]
    Weights(const LinearData&, AlignedVector<S> all) : numbers(std::move(all)) {}
  };

  SortedStrip(const LinearData& data, RowSpan rows) : rows_(rows.begin(), rows.end()) {
    std::vector<std::int32_t> counts(data.columns());
    for (std::size_t begin = 0; begin < rows_.size(); begin += kTileRows) {
      const std::size_t size = std::min(kTileRows, rows_.size() - begin);
      by_column_.emplace_back().sort(data.matrix.view(), byte_values<S>(),
                                     rows.subspan(begin, size), counts);
    }
  }

  /// z [rows, outputs, lanes] += X B, with B a group of `weights`
  void multiply(const LinearData& data, const Weights& weights, std::int64_t group, S* z) const {
    const std::int64_t of_group = data.columns() * data.outputs * kernels<S>().lanes;
    kernels<S>().multiply_lanes(data.matrix.view(), byte_values<S>().data(), rows_.data(),
                                static_cast<std::int64_t>(rows_.size()),
                                weights.numbers.data() + group * of_group, data.outputs, z);
  }

  /// g [columns, outputs, lanes] += X' d, with d [rows, outputs, lanes]
  void multiply_transposed(const LinearData& data, const S* d, S* g) const {
    for (const SortedTile<S>& tile : by_column_) {
      kernels<S>().multiply_transposed_lanes(tile.view(), d, data.outputs, g);
      d += static_cast<std::int64_t>(kTileRows) * data.outputs * kernels<S>().lanes;
    }
  }

 private:
  /// Their outputs stay in the first cache.
  static constexpr std::size_t kTileRows = 64;

  std::vector<std::int32_t> rows_;
  std::vector<SortedTile<S>> by_column_;  // of each tile of rows
};

}  // namespace modeldiff
