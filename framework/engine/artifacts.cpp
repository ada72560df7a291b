#include "engine/artifacts.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "sdk/src/stored_types.h"

namespace modeldiff {

void add_tensors(Publication& publication, const std::string& file, const TensorMap& tensors) {
  TensorMap dense;
  TensorViews views;
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor& kept = dense.emplace(name, tensor.detach().cpu().contiguous()).first->second;
    views.emplace(name, view_of_tensor(name, kept));
  }
  publication.add_tensors(file, views);
}

TensorMap map_tensors(const Artifact& artifact, const std::string& file) {
  const SafetensorsFile stored = artifact.tensors(file);
  TensorMap out;
  for (const auto& [name, view] : stored.tensors()) {
    // from_blob takes a mutable pointer; nothing writes through it.
    auto* data = const_cast<std::byte*>(view.data);
    out.emplace(name, at::from_blob(
                          data, view.shape, [owner = view.owner](void*) {},
                          at::dtype(scalar_type(view.dtype))));
  }
  return out;
}

const at::Tensor& require_tensor(const TensorMap& tensors, const std::string& name,
                                 const Artifact& artifact) {
  if (const auto at = tensors.find(name); at != tensors.end()) return at->second;
  std::string names;
  for (const auto& [there, tensor] : tensors) names += (names.empty() ? "" : ", ") + there;
  throw DataError(fmt::format("artifact {} ({}) has no tensor '{}'; it has {}",
                              artifact.key().brief(), artifact.kind(), name,
                              names.empty() ? "none" : names));
}

}  // namespace modeldiff
