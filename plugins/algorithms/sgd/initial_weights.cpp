#include "initial_weights.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"

namespace modeldiff {
namespace {

/// Adds the tensors of `flat` under their names.
void name_tensors(const ParameterLayout& layout, const at::Tensor& flat, TensorMap& out) {
  for (const ParameterLayout::Entry& entry : layout.entries())
    out[entry.name] = layout.view(flat, entry.name);
}

TensorMap tensors_of(const InputRun& run) {
  TensorMap out;
  name_tensors(run.predictor.model->parameters(), run.weights.parameters, out);
  if (run.weights.buffers.defined())
    name_tensors(run.predictor.model->buffers(), run.weights.buffers, out);
  return out;
}

/// Tensors by name, and what to say when they do not fit a model.
struct Source {
  const TensorMap& tensors;
  std::string name;
  std::vector<std::string> head;  // of the model that is filled
  bool replace_head;

  void copy_into(const ParameterLayout& layout, at::Tensor& flat) const {
    for (const ParameterLayout::Entry& entry : layout.entries()) {
      const bool in_head = std::find(head.begin(), head.end(), entry.name) != head.end();
      if (in_head && replace_head) continue;
      const std::string_view advice =
          in_head ? "; `replace_head: true` starts the last layer anew" : "";
      const auto found = tensors.find(entry.name);
      if (found == tensors.end()) {
        throw ConfigError("init",
                          fmt::format("tensor '{}' [{}] of the model is not in {}{}", entry.name,
                                      fmt::join(entry.shape, ", "), name, advice));
      }
      if (found->second.sizes() != at::IntArrayRef(entry.shape)) {
        throw ConfigError(
            "init", fmt::format("tensor '{}' is [{}] in the model and [{}] in {}{}", entry.name,
                                fmt::join(entry.shape, ", "),
                                fmt::join(found->second.sizes().vec(), ", "), name, advice));
      }
      layout.view(flat, entry.name).copy_(found->second);
    }
  }
};

}  // namespace

InitialWeights::InitialWeights(const InitParams& init, const Model& model,
                               const Resources& resources)
    : init_(init), model_(model) {
  if (!init.file) return;
  path_ = resources.resolve(*init.file);
  file_ = read_tensors(path_);
}

Weights InitialWeights::of_run(std::uint64_t seed, const InputRuns& inputs) const {
  RandomStream random(seed, "init");
  Weights weights = model_.initialise(random);
  if (!init_.from && !file_) return weights;

  TensorMap run_tensors;
  if (init_.from) {
    const auto found = inputs.find(init_.from->name);
    MODELDIFF_CHECK(found != inputs.end() && !found->second.empty(), "runs of " + init_.from->name);
    run_tensors = tensors_of(found->second.front());
  }
  const Source source{
      init_.from ? run_tensors : *file_,
      init_.from ? "algorithm '" + init_.from->name + "'" : "'" + path_.string() + "'",
      model_.head(), init_.replace_head};
  source.copy_into(model_.parameters(), weights.parameters);
  if (weights.buffers.defined()) source.copy_into(model_.buffers(), weights.buffers);
  return weights;
}

}  // namespace modeldiff
