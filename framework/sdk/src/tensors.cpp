#include "modeldiff/tensors.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstring>

#include "sdk/src/stored_types.h"

namespace modeldiff {
namespace {

/// "float32", as Python calls it.
const char* type_text(at::ScalarType type) {
  switch (type) {
    case at::kDouble:
      return "float64";
    case at::kFloat:
      return "float32";
    case at::kHalf:
      return "float16";
    case at::kBFloat16:
      return "bfloat16";
    case at::kLong:
      return "int64";
    case at::kInt:
      return "int32";
    case at::kShort:
      return "int16";
    case at::kChar:
      return "int8";
    case at::kByte:
      return "uint8";
    case at::kBool:
      return "bool";
    default:
      return c10::toString(type);
  }
}

}  // namespace

TensorMap read_tensors(const std::filesystem::path& file) {
  const SafetensorsFile stored(file);
  TensorMap out;
  for (const auto& [name, view] : stored.tensors()) {
    at::Tensor tensor = at::empty(view.shape, scalar_type(view.dtype));
    if (view.bytes > 0) std::memcpy(tensor.mutable_data_ptr(), view.data, view.bytes);
    out.emplace(name, std::move(tensor));
  }
  return out;
}

void write_tensors(const std::filesystem::path& file, const TensorMap& tensors) {
  TensorMap kept;  // what the views point into
  TensorViews views;
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor& dense = kept.emplace(name, tensor.detach().cpu().contiguous()).first->second;
    views.emplace(name, view_of_tensor(name, dense));
  }
  write_safetensors(file, views);
}

std::string shape_text(const at::Tensor& tensor) {
  if (!tensor.defined()) return "undefined";
  return fmt::format("[{}] {}", fmt::join(tensor.sizes(), ", "), type_text(tensor.scalar_type()));
}

}  // namespace modeldiff
