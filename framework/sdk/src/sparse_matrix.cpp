#include "sparse_matrix.h"

#include <ATen/ATen.h>

#include <limits>
#include <span>
#include <type_traits>

#include "modeldiff/sparse_table.h"

namespace modeldiff {

SparseMatrix::SparseMatrix(const at::Tensor& inputs)
    : columns_count_(inputs.size(0) > 0 ? inputs.numel() / inputs.size(0) : 0),
      is_bytes_(inputs.scalar_type() == at::kByte) {
  if (inputs.layout() == at::kSparseCsr) {
    copy(inputs);
    return;
  }
  const at::Tensor dense = inputs.contiguous();
  if (is_bytes_) {
    fill(dense.const_data_ptr<std::uint8_t>(), dense.size(0));
  } else {
    fill(dense.const_data_ptr<float>(), dense.size(0));
  }
}

template <typename Number>
void SparseMatrix::fill(const Number* data, std::int64_t rows) {
  offsets_.reserve(rows + 1);
  for (std::int64_t r = 0; r < rows; ++r) {
    std::int64_t count = 0;
    for (std::int64_t c = 0; c < columns_count_; ++c) count += data[r * columns_count_ + c] != 0;
    offsets_.push_back(offsets_.back() + count);
  }
  const bool wide = this->wide();
  if (wide) {
    wide_.reserve(offsets_.back());
  } else {
    narrow_.reserve(offsets_.back());
  }
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns_count_; ++c) {
      const Number value = data[r * columns_count_ + c];
      if (value == 0) continue;
      if (wide) {
        wide_.push_back(static_cast<std::uint32_t>(c));
      } else {
        narrow_.push_back(static_cast<std::uint16_t>(c));
      }
      if constexpr (std::is_same_v<Number, std::uint8_t>) {
        bytes_.push_back(value);
      } else {
        floats_.push_back(value);
      }
    }
  }
}

bool SparseMatrix::wide() const {
  return columns_count_ > std::numeric_limits<std::uint16_t>::max() + 1;
}

void SparseMatrix::copy(const at::Tensor& table) {
  const std::vector<at::Tensor> parts = stored_parts(table);
  const std::span<const std::int32_t> offsets(parts[0].const_data_ptr<std::int32_t>(),
                                              static_cast<std::size_t>(parts[0].numel()));
  const std::span<const std::int32_t> columns(parts[1].const_data_ptr<std::int32_t>(),
                                              static_cast<std::size_t>(parts[1].numel()));
  const float* values = parts[2].const_data_ptr<float>();
  offsets_.assign(offsets.begin(), offsets.end());
  if (wide()) {
    wide_.assign(columns.begin(), columns.end());
  } else {
    narrow_.assign(columns.begin(), columns.end());
  }
  floats_.assign(values, values + columns.size());
}

double SparseMatrix::numbers_of_row() const {
  return rows() == 0 ? 0 : static_cast<double>(offsets_.back()) / static_cast<double>(rows());
}

SparseRows SparseMatrix::view() const {
  return {offsets_.data(), wide() ? static_cast<const void*>(wide_.data()) : narrow_.data(),
          is_bytes_ ? static_cast<const void*>(bytes_.data()) : floats_.data(), wide(), is_bytes_};
}

}  // namespace modeldiff
