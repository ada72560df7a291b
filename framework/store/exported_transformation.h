#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "modeldiff/core/json.h"
#include "store/safetensors.h"

namespace modeldiff {

/// A transformation of images as one file, which another machine can apply: its tensors in the form
/// of safetensors, the rest as JSON in the file's metadata.
struct ExportedTransformation {
  /// As to_json(Transformation) gives it: proposer, family, label, parameters, direction.
  Json transformation;
  /// Of the proposer that made it.
  std::string plugin_version;
  /// {channels, height, width} of the images it was made for.
  std::vector<std::int64_t> input_shape;
  /// What was found about it: experiment, between, claim, target_class_name, effect.
  Json claim;
  TensorViews tensors;

  std::string proposer() const { return transformation.at("proposer").get<std::string>(); }
  std::string label() const { return transformation.at("label").get<std::string>(); }
};

/// Replaces a file that is there.
void write_exported(const std::filesystem::path& file, const ExportedTransformation& exported);
/// @throws DataError when the file is absent, no safetensors file, or holds no transformation
ExportedTransformation read_exported(const std::filesystem::path& file);

}  // namespace modeldiff
