#include "engine/transformations.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "engine/artifacts.h"

namespace modeldiff {

void write_transformations(Publication& out, const std::vector<Transformation>& transformations,
                           const std::string& name) {
  Json list = Json::array();
  TensorMap tensors;
  for (const Transformation& transformation : transformations) {
    for (const auto& [key, tensor] : transformation.tensors)
      tensors.emplace(fmt::format("{}.{}", list.size(), key), tensor);
    list.push_back(to_json(transformation));
  }
  out.add_json(name + ".json", list);
  add_tensors(out, name + ".safetensors", tensors);
}

std::vector<Transformation> read_transformations(const Artifact& artifact,
                                                 const std::string& name) {
  const TensorMap tensors = map_tensors(artifact, name + ".safetensors");
  std::vector<Transformation> out;
  for (const Json& item : artifact.json(name + ".json")) {
    const std::string prefix = fmt::format("{}.", out.size());
    TensorMap own;
    for (const auto& [key, tensor] : tensors) {
      if (key.starts_with(prefix)) own.emplace(key.substr(prefix.size()), tensor);
    }
    out.push_back(transformation_from_json(item, std::move(own)));
  }
  return out;
}

at::Tensor apply_checked(const Proposer& proposer, const Transformation& transformation,
                         const at::Tensor& images) {
  const at::Tensor out = proposer.apply(transformation, images);
  if (out.sizes() != images.sizes() || out.scalar_type() != at::kFloat) {
    throw PluginError(fmt::format("proposer '{}' turned images {} into {} ('{}')",
                                  transformation.proposer, shape_text(images), shape_text(out),
                                  transformation.label));
  }
  const float lowest = out.min().item<float>(), highest = out.max().item<float>();
  if (!(lowest >= 0 && highest <= 1)) {
    throw PluginError(
        fmt::format("proposer '{}' left the range of images: [{}, {}] instead of [0, 1] ('{}')",
                    transformation.proposer, lowest, highest, transformation.label));
  }
  return out;
}

ProposalSet::ProposalSet(const Workspace& workspace, const Cell& cell, const std::string& input,
                         const std::string& name) {
  for (std::size_t i = 0; i < workspace.input_count(cell, input); ++i) {
    for (Transformation& transformation :
         read_transformations(workspace.input(cell, input, i), name)) {
      transformations_.push_back(std::move(transformation));
      artifacts_.push_back(i);
    }
  }
  // What a transformation does does not hang on its plugin's parameters: any entry will do.
  for (const Json& params : workspace.plan().description.at("propose")) {
    proposers_.emplace(params.at("plugin").get<std::string>(),
                       workspace.plugin<Proposer>("proposers", params));
  }
}

EffectRuns::EffectRuns(Workspace& workspace, const Cell& cell) {
  std::vector<at::Tensor> parameters, buffers;
  for (std::size_t i = 0; i < workspace.input_count(cell, "runs"); ++i) {
    const Cell& run = workspace.input_cell(cell, "runs", i);
    if (i == 0) predictor_ = workspace.predictor(run);
    const Weights weights = workspace.weights(run);
    parameters.push_back(weights.parameters);
    if (weights.buffers.defined()) buffers.push_back(weights.buffers);
  }
  stacked_ = {at::stack(parameters), buffers.empty() ? at::Tensor() : at::stack(buffers)};
}

at::Tensor EffectRuns::logits(const at::Tensor& images) const {
  return predictor_.outputs_stacked(stacked_, images);
}

at::Tensor EffectRuns::probabilities(const at::Tensor& images) const {
  return at::softmax(logits(images), -1);
}

}  // namespace modeldiff
