#pragma once

#include <cstdint>
#include <span>
#include <vector>

/// The innermost loops, for the best instruction set of this processor. Sums are made in one fixed
/// order, row by row, so that a row's result does not depend on the rows beside it.
namespace modeldiff::trak {

/// out[r][c] = +1 where bit 16 * half + c of words[r * word_stride] is set and -1 elsewhere, c in 0
/// .. 15.
void unpack_signs(const std::uint32_t* words, std::int64_t rows, std::int64_t word_stride,
                  std::int64_t half, float* out, std::int64_t stride);

/// The rows of a matrix without their zeros: inputs behind a ReLU and images are mostly zeros.
class SparseRows {
 public:
  /// @param rows   [count, columns] row-major
  /// @param append a last column of ones, for the bias
  SparseRows(const float* rows, std::int64_t count, std::int64_t columns, bool append);

  std::span<const std::int32_t> places(std::int64_t row) const {
    return {places_.data() + starts_[row],
            static_cast<std::size_t>(starts_[row + 1] - starts_[row])};
  }
  std::span<const float> values(std::int64_t row) const {
    return {values_.data() + starts_[row],
            static_cast<std::size_t>(starts_[row + 1] - starts_[row])};
  }

 private:
  std::vector<std::int64_t> starts_;
  std::vector<std::int32_t> places_;  // column * 16: where the tile's row begins
  std::vector<float> values_;
};

/// The entries of each column of a matrix that are not 0: which examples a unit passes a gradient
/// for.
class SparseColumns {
 public:
  /// @param rows [count, columns] row-major
  SparseColumns(const float* rows, std::int64_t count, std::int64_t columns);

  std::span<const std::int32_t> rows(std::int64_t column) const {
    return {rows_.data() + starts_[column], size(column)};
  }
  std::span<const float> values(std::int64_t column) const {
    return {values_.data() + starts_[column], size(column)};
  }

 private:
  std::size_t size(std::int64_t column) const {
    return static_cast<std::size_t>(starts_[column + 1] - starts_[column]);
  }

  std::vector<std::int64_t> starts_;
  std::vector<std::int32_t> rows_;
  std::vector<float> values_;
};

/// out[r, :] += factor[r] * (x[r, :] tile) for the listed rows r.
/// @param tile [columns of x, 16], out [rows of x, 16]; both aligned to 64 bytes
void add_scaled_products(const SparseRows& x, std::span<const std::int32_t> rows,
                         std::span<const float> factors, const float* tile, float* out);

/// out[r, :] += g[r, 0 .. columns) tile for the rows r of a matrix g, entries added in their order.
/// @param g [rows, stride], tile [columns, 16], out [rows, 16]; the last two aligned to 64 bytes
void add_products(const float* g, std::int64_t rows, std::int64_t stride, std::int64_t columns,
                  const float* tile, float* out);

}  // namespace modeldiff::trak
