#include <ATen/ATen.h>
#include <fmt/format.h>

#include "engine/artifacts.h"
#include "engine/stages.h"
#include "engine/stored_runs.h"
#include "modeldiff/attributor.h"
#include "modeldiff/core/error.h"
#include "modeldiff/tensors.h"

namespace modeldiff {
namespace {

void write_run(Publication& out, const TrainedRun& run) {
  TensorMap tensors{{"parameters", run.weights.parameters}};
  if (run.weights.buffers.defined()) tensors.emplace("buffers", run.weights.buffers);
  add_tensors(out, "weights.safetensors", tensors);
  Json checkpoints = Json::array();
  TensorMap stored;
  for (const Checkpoint& checkpoint : run.checkpoints) {
    const std::string prefix = fmt::format("{}.", checkpoints.size());
    checkpoints.push_back(
        {{"step", checkpoint.step}, {"learning_rate_sum", checkpoint.learning_rate_sum}});
    stored.emplace(prefix + "parameters", checkpoint.weights.parameters);
    if (checkpoint.weights.buffers.defined())
      stored.emplace(prefix + "buffers", checkpoint.weights.buffers);
    for (const auto& [name, tensor] : checkpoint.optimizer) stored.emplace(prefix + name, tensor);
  }
  if (!stored.empty()) add_tensors(out, "checkpoints.safetensors", stored);
  if (!run.tensors.empty()) add_tensors(out, "tensors.safetensors", run.tensors);
  out.add_json("run.json", {{"epoch_loss", run.epoch_loss},
                            {"steps", run.steps},
                            {"facts", run.facts},
                            {"checkpoints", checkpoints}});
}

Measurement measurement_of(const Json& config) {
  return FieldTraits<Measurement>::read(config.at("measurement"));
}

}  // namespace

std::vector<Seconds> make_runs(Workspace& workspace, std::span<const Cell* const> cells,
                               std::span<Publication> out, Progress& progress) {
  const Cell& first = *cells.front();
  const Dataset& data = workspace.dataset(first);
  const auto algorithm = workspace.plugin<LearningAlgorithm>("algorithms", workspace.config(first));
  std::vector<RunSpec> runs;
  std::vector<InputRuns> inputs;
  for (const Cell* cell : cells) {
    runs.push_back({cell->own.at("seed").get<std::uint64_t>(), workspace.subset(*cell), cell->label,
                    cell->own.at("index").get<std::int64_t>()});
    inputs.push_back(workspace.input_runs(*cell));
  }
  CheckpointRequest keep;
  if (const auto at = first.own.find("checkpoints"); at != first.own.end()) {
    keep = {at->at("count").get<std::int64_t>(), at->at("optimizer_state").get<bool>()};
  }
  std::vector<Seconds> seconds(cells.size());
  algorithm->train({data.facts, data.train, runs, inputs, keep, workspace, workspace, progress,
                    [&](std::size_t run, TrainedRun result) {
                      write_run(out[run], result);
                      seconds[run] = std::move(result.seconds);
                    }});
  return seconds;
}

void make_run_scores(Workspace& workspace, const Cell& cell, Publication& out, Progress& progress) {
  const Json& config = workspace.config(cell);
  const Cell& run = workspace.input_cell(cell, "run");
  const Dataset& data = workspace.dataset(cell);
  const Examples queries = data.test.select(workspace.split(cell).queries);
  const auto attributor = workspace.plugin<Attributor>("attributors", config);
  const Predictor predictor = workspace.predictor(run);
  const Weights weights = workspace.weights(run);
  const std::vector<Checkpoint> checkpoints = workspace.checkpoints(run);
  add_tensors(
      out, "scores.safetensors",
      attributor->score_run({data.facts, data.train, queries, measurement_of(config), predictor,
                             weights, checkpoints, workspace.subset(run),
                             cell.own.at("seed").get<std::uint64_t>(), out.folder(), progress}));
}

void make_measurements(Workspace& workspace, const Cell& cell, Publication& out,
                       Progress& progress) {
  const Dataset& data = workspace.dataset(cell);
  const Examples queries = data.test.select(workspace.split(cell).queries);
  const Measurement measurement = measurement_of(workspace.config(cell));
  std::vector<at::Tensor> rows, masks;
  const std::size_t runs = workspace.input_count(cell, "runs");
  for (std::size_t i = 0; i < runs; ++i) {
    progress.check_stop();
    const Cell& run = workspace.input_cell(cell, "runs", i);
    const at::Tensor outputs =
        workspace.predictor(run).outputs(workspace.weights(run), queries.inputs);
    rows.push_back(measure(measurement, outputs, queries.targets));
    masks.push_back(
        at::zeros({data.train.size()}, at::kBool).index_fill_(0, workspace.subset(run), true));
    progress.update(static_cast<double>(i + 1) / static_cast<double>(runs), "measuring");
  }
  add_tensors(out, "measurements.safetensors",
              {{"measurements", at::stack(rows)}, {"masks", at::stack(masks)}});
}

void make_attribution(Workspace& workspace, const Cell& cell, Publication& out,
                      Progress& progress) {
  const Dataset& data = workspace.dataset(cell);
  const Examples queries = data.test.select(workspace.split(cell).queries);
  const auto attributor = workspace.plugin<Attributor>("attributors", workspace.config(cell));
  const StoredRuns runs(workspace, cell);
  const Attribution result = attributor->combine({runs, data.train, queries, 1, progress});
  if (result.scores.sizes() != at::IntArrayRef{queries.size(), data.train.size()}) {
    throw PluginError(fmt::format("scores must be [{} queries, {} training examples], got {}",
                                  queries.size(), data.train.size(), shape_text(result.scores)));
  }
  TensorMap tensors{{"scores", result.scores}};
  if (result.raw.defined()) {
    tensors.emplace("raw", result.raw);
    tensors.emplace("output_covariance", result.output_covariance);
  }
  add_tensors(out, "scores.safetensors", tensors);
  if (!result.per_query.empty()) add_tensors(out, "queries.safetensors", result.per_query);
  out.add_json(
      "attribution.json",
      {{"facts", result.facts}, {"noise_scale", result.noise_scale}, {"runs", runs.size()}});
}

}  // namespace modeldiff
