#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>

#include "modeldiff/core/error.h"
#include "modeldiff/tensors.h"
#include "store/safetensors.h"

/// The number types that both tensors and files hold.
namespace modeldiff {

inline constexpr std::pair<DType, at::ScalarType> kStoredTypes[] = {
    {DType::f64, at::kDouble},    {DType::f32, at::kFloat}, {DType::f16, at::kHalf},
    {DType::bf16, at::kBFloat16}, {DType::i64, at::kLong},  {DType::i32, at::kInt},
    {DType::i16, at::kShort},     {DType::i8, at::kChar},   {DType::u8, at::kByte},
    {DType::boolean, at::kBool}};

inline at::ScalarType scalar_type(DType dtype) {
  for (const auto& [stored, type] : kStoredTypes) {
    if (stored == dtype) return type;
  }
  throw InternalError("a stored number type without a tensor type");
}

/// @param tensor dense, on the CPU; it must outlive the view
/// @throws InternalError on a number type that files do not hold
inline TensorView view_of_tensor(const std::string& name, const at::Tensor& tensor) {
  for (const auto& [stored, type] : kStoredTypes) {
    if (type == tensor.scalar_type()) {
      return view_of(stored, tensor.sizes().vec(), tensor.const_data_ptr(), tensor.nbytes());
    }
  }
  throw InternalError("tensor '" + name + "' " + shape_text(tensor) +
                      " has a type that safetensors does not hold");
}

}  // namespace modeldiff
