#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "modeldiff/core/api.h"

/// Tables of which most numbers are 0: ATen's tensors of layout at::kSparseCsr, [n, columns]
/// float32, with offsets and columns int32. ATen has neither index_select nor slice nor cat of them.
namespace modeldiff {

/// @param offsets [n + 1] int32: row r has the entries [offsets[r], offsets[r + 1])
/// @param columns [k] int32, ascending within a row
/// @param values  [k] float32
/// @param count   columns of the table
/// @throws DataError when they are not the parts of such a table
MODELDIFF_API at::Tensor sparse_table(const at::Tensor& offsets, const at::Tensor& columns,
                                      const at::Tensor& values, std::int64_t count);

/// The dense tensors that hold a tensor, contiguous: itself, or offsets, columns and values.
MODELDIFF_API std::vector<at::Tensor> stored_parts(const at::Tensor& tensor);

// Of dense tensors [n, ...] and sparse tables alike:

/// The rows of `indices` [k] int32 or int64, in that order.
MODELDIFF_API at::Tensor rows_of(const at::Tensor& tensor, const at::Tensor& indices);
/// The rows of `first`, then those of `second`.
MODELDIFF_API at::Tensor join_rows(const at::Tensor& first, const at::Tensor& second);
/// The rows [begin, end) with their zeros; of a dense tensor a view.
MODELDIFF_API at::Tensor dense_rows(const at::Tensor& tensor, std::int64_t begin, std::int64_t end);

}  // namespace modeldiff
