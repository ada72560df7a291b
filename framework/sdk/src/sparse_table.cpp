#include "modeldiff/sparse_table.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "modeldiff/core/error.h"
#include "modeldiff/tensors.h"

namespace modeldiff {
namespace {

bool is_sparse(const at::Tensor& tensor) { return tensor.layout() == at::kSparseCsr; }

/// ATen warns that its sparse tensors are new.
struct Silence final : c10::WarningHandler {
  void process(const c10::Warning&) override {}
};

/// The parts of a sparse table.
struct Parts {
  at::Tensor offsets, columns, values;

  explicit Parts(const at::Tensor& table)
      : offsets(table.crow_indices().contiguous()),
        columns(table.col_indices().contiguous()),
        values(table.values().contiguous()) {}

  const std::int32_t* row(std::int64_t r) const {
    return offsets.const_data_ptr<std::int32_t>() + r;
  }
};

void check_parts(const at::Tensor& offsets, const at::Tensor& columns, const at::Tensor& values,
                 std::int64_t count) {
  const auto refuse = [](const std::string& why) {
    throw DataError("these are not the parts of a sparse table: " + why);
  };
  if (offsets.dim() != 1 || offsets.numel() < 1 || columns.dim() != 1 ||
      values.sizes() != columns.sizes() || offsets.scalar_type() != at::kInt ||
      columns.scalar_type() != at::kInt || values.scalar_type() != at::kFloat) {
    refuse(
        fmt::format("expected offsets [rows + 1] int32, columns [k] int32 and values [k] "
                    "float32, found {}, {} and {}",
                    shape_text(offsets), shape_text(columns), shape_text(values)));
  }
  const std::int32_t* begins = offsets.const_data_ptr<std::int32_t>();
  const std::int32_t* numbers = columns.const_data_ptr<std::int32_t>();
  const std::int64_t rows = offsets.numel() - 1;
  if (begins[0] != 0 || begins[rows] != columns.numel()) {
    refuse(fmt::format("offsets run from {} to {}, and there are {} values", begins[0],
                       begins[rows], columns.numel()));
  }
  for (std::int64_t r = 0; r < rows; ++r) {
    if (begins[r] > begins[r + 1] || begins[r + 1] > begins[rows])
      refuse(fmt::format("row {} goes from value {} to {}", r, begins[r], begins[r + 1]));
    std::int64_t previous = -1;
    for (std::int32_t i = begins[r]; i < begins[r + 1]; ++i) {
      if (numbers[i] <= previous || numbers[i] >= count) {
        refuse(fmt::format("row {} has column {} after {}; columns must ascend and be below {}", r,
                           numbers[i], previous, count));
      }
      previous = numbers[i];
    }
  }
}

at::Tensor rows_of_table(const at::Tensor& table, const at::Tensor& indices) {
  const Parts all(table);
  const at::Tensor own = indices.to(at::kLong).contiguous();
  const std::int64_t* rows = own.const_data_ptr<std::int64_t>();
  const std::int64_t count = own.numel();
  at::Tensor offsets = at::zeros({count + 1}, at::kInt);
  auto* ends = offsets.mutable_data_ptr<std::int32_t>();
  std::int64_t entries = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    if (rows[i] < 0 || rows[i] >= table.size(0)) {
      throw ShapeError(
          fmt::format("row {} is asked for of a table of {} rows", rows[i], table.size(0)));
    }
    entries += *all.row(rows[i] + 1) - *all.row(rows[i]);
    if (entries > std::numeric_limits<std::int32_t>::max())
      throw DataError("a sparse table may have at most 2^31 - 1 numbers that are not zero");
    ends[i + 1] = static_cast<std::int32_t>(entries);
  }
  at::Tensor columns = at::empty({entries}, at::kInt), values = at::empty({entries}, at::kFloat);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int32_t begin = *all.row(rows[i]), end = *all.row(rows[i] + 1);
    std::copy(all.columns.const_data_ptr<std::int32_t>() + begin,
              all.columns.const_data_ptr<std::int32_t>() + end,
              columns.mutable_data_ptr<std::int32_t>() + ends[i]);
    std::copy(all.values.const_data_ptr<float>() + begin, all.values.const_data_ptr<float>() + end,
              values.mutable_data_ptr<float>() + ends[i]);
  }
  return sparse_table(offsets, columns, values, table.size(1));
}

}  // namespace

at::Tensor sparse_table(const at::Tensor& offsets, const at::Tensor& columns,
                        const at::Tensor& values, std::int64_t count) {
  check_parts(offsets, columns, values, count);
  Silence silence;
  const c10::WarningUtils::WarningHandlerGuard guard(&silence);
  return at::_sparse_csr_tensor_unsafe(offsets, columns, values, {offsets.numel() - 1, count},
                                       values.options().layout(at::kSparseCsr));
}

std::vector<at::Tensor> stored_parts(const at::Tensor& tensor) {
  if (!is_sparse(tensor)) return {tensor.contiguous()};
  const Parts parts(tensor);
  return {parts.offsets, parts.columns, parts.values};
}

at::Tensor rows_of(const at::Tensor& tensor, const at::Tensor& indices) {
  return is_sparse(tensor) ? rows_of_table(tensor, indices) : tensor.index_select(0, indices);
}

at::Tensor join_rows(const at::Tensor& first, const at::Tensor& second) {
  if (!is_sparse(first)) return at::cat({first, second});
  const Parts a(first), b(second);
  const at::Tensor shifted = b.offsets.slice(0, 1) + a.offsets[-1];
  return sparse_table(at::cat({a.offsets, shifted}), at::cat({a.columns, b.columns}),
                      at::cat({a.values, b.values}), first.size(1));
}

at::Tensor dense_rows(const at::Tensor& tensor, std::int64_t begin, std::int64_t end) {
  if (!is_sparse(tensor)) return tensor.slice(0, begin, end);
  const Parts parts(tensor);
  at::Tensor out = at::zeros({end - begin, tensor.size(1)}, at::kFloat);
  auto* to = out.mutable_data_ptr<float>();
  const std::int32_t* columns = parts.columns.const_data_ptr<std::int32_t>();
  const float* values = parts.values.const_data_ptr<float>();
  for (std::int64_t r = begin; r < end; ++r, to += tensor.size(1)) {
    for (std::int32_t i = *parts.row(r); i < *parts.row(r + 1); ++i) to[columns[i]] = values[i];
  }
  return out;
}

}  // namespace modeldiff
