#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/workspace.h"
#include "modeldiff/proposer.h"

/// Transformations in artifacts, and their effects on runs.
namespace modeldiff {

/// NAME.json and NAME.safetensors, whose tensors are named INDEX.TENSOR.
void write_transformations(Publication& out, const std::vector<Transformation>& transformations,
                           const std::string& name = "transformations");
std::vector<Transformation> read_transformations(const Artifact& artifact,
                                                 const std::string& name = "transformations");

/// For proposals from the test examples of another data set, where no direction is known.
inline ProposeRequest request_elsewhere(const Dataset& donors, std::uint64_t seed,
                                        Progress& progress) {
  return {.facts = donors.facts,
          .train = donors.test,
          .directions = {},
          .seed = seed,
          .runs = {},
          .screen = {},
          .progress = progress};
}

/// @param images of any shape, 0 to 1 @return uint8, the nearest levels of 255
inline at::Tensor as_bytes(const at::Tensor& images) {
  return images.mul(255).round().clamp(0, 255).to(at::kByte);
}

/// @param images [n, C, H, W] float32 in [0, 1] @return the same, checked to be so
/// @throws PluginError when the plugin gives another shape or leaves [0, 1]
at::Tensor apply_checked(const Proposer& proposer, const Transformation& transformation,
                         const at::Tensor& images);

/// Transformations together with the plugins that apply them.
class ProposalSet {
 public:
  /// Of all artifacts that a cell reads under a name, one after another.
  ProposalSet(const Workspace& workspace, const Cell& cell, const std::string& input,
              const std::string& name = "transformations");

  std::size_t size() const { return transformations_.size(); }
  /// Which of the artifacts, from 0, a transformation comes from.
  std::size_t artifact_of(std::size_t index) const { return artifacts_[index]; }
  const Transformation& operator[](std::size_t index) const { return transformations_[index]; }
  const Proposer& proposer(std::size_t index) const {
    return *proposers_.at(transformations_[index].proposer);
  }
  at::Tensor apply(std::size_t index, const at::Tensor& images) const {
    return apply_checked(proposer(index), transformations_[index], images);
  }

 private:
  std::vector<Transformation> transformations_;
  std::vector<std::size_t> artifacts_;
  std::map<std::string, std::unique_ptr<Proposer>> proposers_;
};

/// The runs of an effects cell, stacked.
class EffectRuns {
 public:
  EffectRuns(Workspace& workspace, const Cell& cell);

  /// @return [runs, n, classes] float32
  at::Tensor logits(const at::Tensor& images) const;
  at::Tensor probabilities(const at::Tensor& images) const;

 private:
  Predictor predictor_;
  Weights stacked_;
};

}  // namespace modeldiff
