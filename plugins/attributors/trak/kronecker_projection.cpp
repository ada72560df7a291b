#include "kronecker_projection.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "modeldiff/parallel.h"

#if defined(__x86_64__)
#define MODELDIFF_BEST_VECTORS __attribute__((target_clones("arch=haswell", "default")))
#else
#define MODELDIFF_BEST_VECTORS
#endif

namespace modeldiff::trak {
namespace {

/// Examples that one call of a thread projects.
constexpr std::int64_t kRowsAtOnce = 64;
/// Counters of the random numbers, beside those of a dense projection of the same layer.
enum Draw : std::uint64_t { kRowSigns = std::uint64_t{1} << 40, kColumnSigns, kEntries };

/// `count` signs for draw number `index`.
void draw_signs(std::uint64_t key, Draw draw, std::uint64_t index, std::int64_t count, float* out) {
  for (std::int64_t begin = 0; begin < count; begin += 128) {
    const auto bits = philox(key, (index << 32) + static_cast<std::uint64_t>(begin / 128), draw);
    for (std::int64_t i = begin; i < std::min(count, begin + 128); ++i)
      out[i] = bits[(i - begin) / 32] >> (i % 32) & 1 ? 1.0f : -1.0f;
  }
}

/// x <- H x for each column of x [size, width], H the Hadamard matrix of `size`, a power of two, not
/// scaled.
MODELDIFF_BEST_VECTORS
void transform_columns(float* x, std::int64_t size, std::int64_t width) {
  for (std::int64_t half = 1; half < size; half *= 2) {
    for (std::int64_t begin = 0; begin < size; begin += 2 * half) {
      float* upper = x + begin * width;
      float* lower = upper + half * width;
      for (std::int64_t i = 0; i < half * width; ++i) {
        const float sum = upper[i] + lower[i], difference = upper[i] - lower[i];
        upper[i] = sum;
        lower[i] = difference;
      }
    }
  }
}

void transform(float* x, std::int64_t size) { transform_columns(x, size, 1); }

MODELDIFF_BEST_VECTORS
void multiply(const float* x, const float* y, std::int64_t count, float* out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = x[i] * y[i];
}

/// out += factor * x
MODELDIFF_BEST_VECTORS
void add_scaled(const float* x, float factor, std::int64_t count, float* out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] += factor * x[i];
}

/// out [columns] = sum_r x_r m_r, for m [rows, columns]; zeros of x are passed over.
void combine_rows(const float* x, const std::vector<float>& m, std::int64_t rows,
                  std::int64_t columns, float* out) {
  std::fill_n(out, columns, 0.0f);
  for (std::int64_t r = 0; r < rows; ++r) {
    if (x[r] != 0) add_scaled(m.data() + r * columns, x[r], columns, out);
  }
}

std::int64_t largest_divisor_up_to_root(std::int64_t k) {
  auto divisor = static_cast<std::int64_t>(std::sqrt(static_cast<double>(k)));
  while (k % divisor != 0) --divisor;
  return divisor;
}

template <typename Add>
void for_each_example(std::int64_t n, Add add) {
  in_parallel((n + kRowsAtOnce - 1) / kRowsAtOnce, [&](std::int64_t block) {
    std::vector<float> buffer;
    for (std::int64_t i = block * kRowsAtOnce; i < std::min(n, (block + 1) * kRowsAtOnce); ++i)
      add(i, buffer);
  });
}

}  // namespace

void KroneckerProjection::add_outer_products(const at::Tensor& delta, const at::Tensor& a,
                                             at::Tensor& phi) const {
  const auto* d = delta.const_data_ptr<float>();
  const auto* x = a.const_data_ptr<float>();
  auto* out = phi.data_ptr<float>();
  for_each_example(phi.size(0), [&](std::int64_t i, std::vector<float>& buffer) {
    add_outer_product(d + i * delta.size(1), x + i * a.size(1), buffer, out + i * phi.size(1));
  });
}

void KroneckerProjection::add_matrices(const at::Tensor& gradients, at::Tensor& phi) const {
  const auto* g = gradients.const_data_ptr<float>();
  auto* out = phi.data_ptr<float>();
  const std::int64_t size = gradients.size(1) * gradients.size(2);
  for_each_example(phi.size(0), [&](std::int64_t i, std::vector<float>& buffer) {
    add_matrix(g + i * size, buffer, out + i * phi.size(1));
  });
}

StructuredProjection::StructuredProjection(const LayerProjection& projection, std::int64_t rows,
                                           std::int64_t columns, std::int64_t k)
    : row_signs_(rows),
      column_signs_(columns),
      padded_rows_(static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(rows)))),
      padded_columns_(
          static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(columns)))) {
  draw_signs(projection.key, kRowSigns, 0, rows, row_signs_.data());
  draw_signs(projection.key, kColumnSigns, 0, columns, column_signs_.data());
  for (std::int64_t s = 0; s < k; ++s) {
    const auto bits = philox(projection.key, static_cast<std::uint64_t>(s), kEntries);
    drawn_rows_.push_back(static_cast<std::int32_t>(bits[0] & (padded_rows_ - 1)));
    drawn_columns_.push_back(static_cast<std::int32_t>(bits[1] & (padded_columns_ - 1)));
  }
}

void StructuredProjection::add_outer_product(const float* delta, const float* a,
                                             std::vector<float>& buffer, float* phi) const {
  buffer.assign(padded_rows_ + padded_columns_, 0.0f);
  float* left = buffer.data();
  float* right = left + padded_rows_;
  multiply(delta, row_signs_.data(), static_cast<std::int64_t>(row_signs_.size()), left);
  multiply(a, column_signs_.data(), static_cast<std::int64_t>(column_signs_.size()), right);
  transform(left, padded_rows_);
  transform(right, padded_columns_);
  for (std::size_t s = 0; s < drawn_rows_.size(); ++s)
    phi[s] += left[drawn_rows_[s]] * right[drawn_columns_[s]];
}

void StructuredProjection::add_matrix(const float* gradient, std::vector<float>& buffer,
                                      float* phi) const {
  const auto rows = static_cast<std::int64_t>(row_signs_.size());
  const auto columns = static_cast<std::int64_t>(column_signs_.size());
  buffer.assign(padded_rows_ * padded_columns_, 0.0f);
  for (std::int64_t r = 0; r < rows; ++r) {
    float* row = buffer.data() + r * padded_columns_;
    multiply(gradient + r * columns, column_signs_.data(), columns, row);
    for (std::int64_t c = 0; c < columns; ++c) row[c] *= row_signs_[r];
    transform(row, padded_columns_);
  }
  transform_columns(buffer.data(), padded_rows_, padded_columns_);
  for (std::size_t s = 0; s < drawn_rows_.size(); ++s)
    phi[s] += buffer[drawn_rows_[s] * padded_columns_ + drawn_columns_[s]];
}

FactoredProjection::FactoredProjection(const LayerProjection& projection, std::int64_t rows,
                                       std::int64_t columns, std::int64_t k)
    : rows_(rows),
      columns_(columns),
      k_rows_(largest_divisor_up_to_root(k)),
      k_columns_(k / k_rows_),
      of_rows_(rows * k_rows_),
      of_columns_(columns * k_columns_) {
  for (std::int64_t r = 0; r < rows; ++r)
    draw_signs(projection.key, kRowSigns, static_cast<std::uint64_t>(r), k_rows_,
               of_rows_.data() + r * k_rows_);
  for (std::int64_t c = 0; c < columns; ++c)
    draw_signs(projection.key, kColumnSigns, static_cast<std::uint64_t>(c), k_columns_,
               of_columns_.data() + c * k_columns_);
}

void FactoredProjection::add_outer_product(const float* delta, const float* a,
                                           std::vector<float>& buffer, float* phi) const {
  buffer.resize(k_rows_ + k_columns_);
  float* left = buffer.data();
  float* right = left + k_rows_;
  combine_rows(delta, of_rows_, rows_, k_rows_, left);
  combine_rows(a, of_columns_, columns_, k_columns_, right);
  for (std::int64_t r = 0; r < k_rows_; ++r)
    add_scaled(right, left[r], k_columns_, phi + r * k_columns_);
}

void FactoredProjection::add_matrix(const float* gradient, std::vector<float>& buffer,
                                    float* phi) const {
  buffer.resize(k_columns_);
  for (std::int64_t r = 0; r < rows_; ++r) {
    combine_rows(gradient + r * columns_, of_columns_, columns_, k_columns_, buffer.data());
    for (std::int64_t q = 0; q < k_rows_; ++q)
      add_scaled(buffer.data(), of_rows_[r * k_rows_ + q], k_columns_, phi + q * k_columns_);
  }
}

}  // namespace modeldiff::trak
