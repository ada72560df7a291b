#include "engine/stored_runs.h"

#include <ATen/ATen.h>

#include "engine/artifacts.h"

namespace modeldiff {

StoredRuns::StoredRuns(Workspace& workspace, const Cell& attribution)
    : workspace_(workspace), attribution_(attribution) {}

std::int64_t StoredRuns::size() const {
  return static_cast<std::int64_t>(workspace_.input_count(attribution_, "run_scores"));
}

TensorMap StoredRuns::run(std::int64_t index) const {
  return map_tensors(workspace_.input(attribution_, "run_scores", index), "scores.safetensors");
}

const Cell& StoredRuns::run_cell(std::int64_t index) const {
  return workspace_.input_cell(workspace_.input_cell(attribution_, "run_scores", index), "run");
}

double StoredRuns::keep(std::int64_t index) const {
  const Json& own = run_cell(index).own;
  const auto subset = own.find("subset");
  return subset == own.end() ? 1 : subset->at("keep").get<double>();
}

at::Tensor StoredRuns::masks(std::int64_t first, std::int64_t count) const {
  if (!run_cell(first).own.contains("subset")) return {};
  at::Tensor out = at::zeros({count, workspace_.dataset(attribution_).train.size()}, at::kBool);
  for (std::int64_t i = 0; i < count; ++i)
    out[i].index_fill_(0, workspace_.subset(run_cell(first + i)), true);
  return out;
}

}  // namespace modeldiff
