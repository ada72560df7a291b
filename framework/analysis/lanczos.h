#pragma once

#include <cstdint>
#include <span>
#include <vector>

/// The largest singular value of many matrices of one size, quickly: one pass over the matrix a
/// step.
namespace modeldiff {

/// out = sum_r coefficients[r] * rows[r, :], rows [coefficients, n] row-major.
void combine_rows(std::span<const float> coefficients, const float* rows, std::int64_t n,
                  float* out);

/// Memory that is used again from matrix to matrix. One for each thread.
class LanczosSolver {
 public:
  explicit LanczosSolver(std::int64_t columns);

  /// Largest singular value of `rows` [count, columns], row-major, to about 1e-6 of itself. A pure
  /// function of the matrix; entries are of ordinary size, so that squares neither overflow nor
  /// vanish in float32.
  double largest_singular_value(const float* rows, std::int64_t count);

 private:
  std::int64_t columns_;
  std::vector<float> basis_;  // [steps + 1, columns]
  std::vector<double> diagonal_, off_diagonal_;
};

/// Subtracts the mean of every column. @param rows [count, n], in place
void subtract_column_means(float* rows, std::int64_t count, std::int64_t n);

/// rows <- rows - (rows v) v'. @param v [n], of unit length
void take_out_direction(float* rows, std::int64_t count, std::int64_t n, const float* v);

}  // namespace modeldiff
