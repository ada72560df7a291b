#pragma once

#include <string>

#include "modeldiff/tensors.h"
#include "store/store.h"

/// Tensors in artifacts.
namespace modeldiff {

/// Dense copies on the CPU are made where needed, one at a time.
void add_tensors(Publication& publication, const std::string& file, const TensorMap& tensors);

/// Tensors over the mapped file: no copy, read only. Writing to one ends the process.
TensorMap map_tensors(const Artifact& artifact, const std::string& file);

/// @throws DataError naming the artifact and the tensors it has
const at::Tensor& require_tensor(const TensorMap& tensors, const std::string& name,
                                 const Artifact& artifact);

}  // namespace modeldiff
