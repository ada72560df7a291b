#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "projection.h"

/// Projections P that act on the rows and on the columns of a layer's gradient by themselves, so that
/// the gradient of a linear layer, delta a', need not be made. Entries are -1 and 1 as those of the
/// dense projection of signs, but depend on each other.
namespace modeldiff::trak {

class KroneckerProjection {
 public:
  virtual ~KroneckerProjection() = default;
  /// phi [n, k] += P' vec(delta a') row by row. @param delta [n, rows], a [n, columns]; float32,
  /// contiguous
  void add_outer_products(const at::Tensor& delta, const at::Tensor& a, at::Tensor& phi) const;
  /// phi [n, k] += P' vec(G). @param gradients [n, rows, columns] float32, contiguous
  void add_matrices(const at::Tensor& gradients, at::Tensor& phi) const;

 protected:
  /// One example's part, with `buffer` to work in.
  virtual void add_outer_product(const float* delta, const float* a, std::vector<float>& buffer,
                                 float* phi) const = 0;
  virtual void add_matrix(const float* gradient, std::vector<float>& buffer, float* phi) const = 0;
};

/// Randomised Hadamard transforms of rows and columns, of which k entries are drawn (Jin, Kolda, Ward
/// 2019, arXiv:1909.04801): P' vec(G) = S (H D_rows (x) H D_columns) vec(G), H not scaled.
class StructuredProjection final : public KroneckerProjection {
 public:
  StructuredProjection(const LayerProjection& projection, std::int64_t rows, std::int64_t columns,
                       std::int64_t k);

 private:
  void add_outer_product(const float* delta, const float* a, std::vector<float>& buffer,
                         float* phi) const override;
  void add_matrix(const float* gradient, std::vector<float>& buffer, float* phi) const override;

  std::vector<float> row_signs_, column_signs_;
  std::int64_t padded_rows_, padded_columns_;  // powers of two
  std::vector<std::int32_t> drawn_rows_, drawn_columns_;
};

/// P = P_rows (x) P_columns, of k_rows and k_columns random signs a row, k_rows k_columns = k, as near
/// to each other as the divisors of k are. Far fewer random numbers than the others: inner products
/// vary more.
class FactoredProjection final : public KroneckerProjection {
 public:
  FactoredProjection(const LayerProjection& projection, std::int64_t rows, std::int64_t columns,
                     std::int64_t k);

 private:
  void add_outer_product(const float* delta, const float* a, std::vector<float>& buffer,
                         float* phi) const override;
  void add_matrix(const float* gradient, std::vector<float>& buffer, float* phi) const override;

  std::int64_t rows_, columns_, k_rows_, k_columns_;
  std::vector<float> of_rows_;     // [rows, k_rows]
  std::vector<float> of_columns_;  // [columns, k_columns]
};

}  // namespace modeldiff::trak
