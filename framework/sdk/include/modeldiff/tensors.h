#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>

#include "modeldiff/core/api.h"

namespace modeldiff {

/// Named tensors, the content of one safetensors file; contiguous, on the CPU.
using TensorMap = std::map<std::string, at::Tensor>;

/// Reads every tensor of a safetensors file into memory of its own.
/// @throws DataError when the file is missing, truncated or not what its header says
MODELDIFF_API TensorMap read_tensors(const std::filesystem::path& file);
MODELDIFF_API void write_tensors(const std::filesystem::path& file, const TensorMap& tensors);

/// "[2, 3] float32", for error texts.
MODELDIFF_API std::string shape_text(const at::Tensor& tensor);

}  // namespace modeldiff
