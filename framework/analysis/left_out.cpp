#include "analysis/left_out.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

/// Models whose outputs are held at once.
constexpr std::int64_t kModelsAtOnce = 16;

at::Tensor stacked(const std::vector<Weights>& weights, at::Tensor Weights::* part) {
  std::vector<at::Tensor> parts;
  for (const Weights& of_run : weights) {
    if ((of_run.*part).defined()) parts.push_back(of_run.*part);
  }
  return parts.empty() ? at::Tensor() : at::stack(parts);
}

}  // namespace

const RunSet& runs_of(const EvaluationRequest& request, const Reference& algorithm,
                      const std::string& key, std::int64_t count) {
  const auto found = request.runs.find(algorithm.name);
  const auto there =
      found == request.runs.end() ? 0 : static_cast<std::int64_t>(found->second.keys.size());
  if (there < count) {
    throw ConfigError(key, fmt::format("names '{}', of which there are {} runs on the data set of "
                                       "the experiment; {} are needed",
                                       algorithm.name, there, count));
  }
  return found->second;
}

std::vector<at::Tensor> left_out_rows(const RunSet& runs, std::int64_t count,
                                      const std::string& key) {
  std::vector<at::Tensor> out;
  std::map<std::int64_t, std::int64_t> run_of_row;
  for (std::int64_t run = 0; run < count; ++run) {
    const TensorMap left = runs.tensors(static_cast<std::size_t>(run));
    const auto removed = left.find("change.removed");
    if (removed == left.end()) {
      throw ConfigError(key, fmt::format("run {} was made with all rows; give the algorithm "
                                         "`change: {{delete: {{count: 1, vary: true}}}}`",
                                         run));
    }
    out.push_back(removed->second.to(at::kLong));
    for (std::int64_t i = 0; i < out.back().numel(); ++i) {
      const auto row = out.back()[i].item<std::int64_t>();
      const auto [at, is_new] = run_of_row.try_emplace(row, run);
      if (!is_new) {
        throw ConfigError(key, fmt::format("runs {} and {} were both made without row {}; with "
                                           "`vary: true` each run leaves out rows of its own",
                                           at->second, run, row));
      }
    }
  }
  return out;
}

void require_same_rows(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b,
                       const std::string& key) {
  for (std::size_t run = 0; run < std::min(a.size(), b.size()); ++run) {
    if (a[run].equal(b[run])) continue;
    throw ConfigError(key, fmt::format("run {} left out other rows than the run that it is "
                                       "compared with; give both algorithms the same `change`",
                                       run));
  }
}

void for_each_model(
    const RunSet& runs, std::int64_t count, const at::Tensor& inputs, Progress& progress,
    const std::function<void(std::int64_t run, const Weights&, const at::Tensor&)>& visit) {
  for (std::int64_t first = 0; first < count; first += kModelsAtOnce) {
    progress.check_stop();
    std::vector<Weights> weights;
    for (std::int64_t run = first; run < std::min(first + kModelsAtOnce, count); ++run)
      weights.push_back(runs.weights(static_cast<std::size_t>(run)));
    const at::Tensor outputs = runs.predictor.outputs_stacked(
        {stacked(weights, &Weights::parameters), stacked(weights, &Weights::buffers)}, inputs);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const auto place = static_cast<std::int64_t>(i);
      visit(first + place, weights[i], outputs[place]);
    }
    progress.update(static_cast<double>(first + static_cast<std::int64_t>(weights.size())) /
                        static_cast<double>(count),
                    fmt::format("{} of {} models", first + weights.size(), count));
  }
}

at::Tensor row_losses(const at::Tensor& outputs, const at::Tensor& targets, Task task) {
  const at::Tensor z = outputs.to(at::kDouble);
  if (task == Task::classification)
    return at::cross_entropy_loss(z, targets, {}, at::Reduction::None);
  return 0.5 * (z - targets.reshape_as(outputs)).square().sum(1);
}

}  // namespace modeldiff
