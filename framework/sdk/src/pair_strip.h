#pragma once

#include <cstdint>
#include <vector>

#include "aligned_vector.h"
#include "linear_data.h"

namespace modeldiff {

/// Owner of BytePairs.
struct PairList {
  std::vector<std::int32_t> targets, starts{0};
  std::vector<std::uint16_t> pairs;
  std::vector<std::uint32_t> words;

  BytePairs view() const {
    return {targets.data(), starts.data(), static_cast<std::int64_t>(targets.size()), pairs.data(),
            words.data()};
  }
};

/// Sources are columns, targets are places in `rows`; x has bytes and columns of 16 bits.
PairList pairs_of_rows(const SparseRows& x, RowSpan rows);
/// Sources are places in `rows`, at most 256 of them, targets are columns.
PairList pairs_of_columns(const SparseRows& x, RowSpan rows, std::int64_t columns);

/// Products of some rows of bytes with groups of matrices, one matrix in each lane, the matrices
/// rounded to 16 bits as PairKernels says.
class PairStrip {
 public:
  using Number = float;

  /// Whether rounding is harmless: no column's weights are far larger than those of others.
  static bool suits(const LinearData& data);

  /// Groups of matrices as multiply() takes them.
  class Weights {
   public:
    /// @param numbers [groups, columns, outputs, lanes]
    Weights(const LinearData& data, const AlignedVector<float>& numbers);

   private:
    friend class PairStrip;
    std::int64_t words_of_group_;
    AlignedVector<std::int32_t> words_;
    AlignedVector<float> scales_;  // [groups, outputs, lanes]
  };

  PairStrip(const LinearData& data, RowSpan rows);
  /// z [rows, outputs, lanes] += X B, with B a group of `weights`
  void multiply(const LinearData& data, const Weights& weights, std::int64_t group, float* z) const;
  /// g [columns, outputs, lanes] += X' d, with d [rows, outputs, lanes]
  void multiply_transposed(const LinearData& data, const float* d, float* g) const;

 private:
  std::int64_t rows_;
  PairList by_row_;
  std::vector<PairList> by_column_;  // of each tile of rows
};

}  // namespace modeldiff
