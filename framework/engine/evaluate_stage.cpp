#include <ATen/ATen.h>
#include <fmt/format.h>

#include "engine/artifacts.h"
#include "engine/stages.h"
#include "modeldiff/evaluation.h"

namespace modeldiff {
namespace {

SubsetRuns read_measurements(const Workspace& workspace, const Cell& cell, const std::string& input,
                             std::int64_t replicates) {
  std::vector<at::Tensor> masks, measurements;
  for (std::size_t i = 0; i < workspace.input_count(cell, input); ++i) {
    const Artifact artifact = workspace.input(cell, input, i);
    const TensorMap tensors = map_tensors(artifact, "measurements.safetensors");
    masks.push_back(require_tensor(tensors, "masks", artifact));
    measurements.push_back(require_tensor(tensors, "measurements", artifact));
  }
  const at::Tensor all = at::cat(measurements);
  return {at::cat(masks).slice(0, 0, std::nullopt, replicates).contiguous(),
          all.reshape({-1, replicates, all.size(1)})};
}

}  // namespace

void make_evaluation(Workspace& workspace, const Cell& cell, Publication& out, Progress& progress) {
  const Json& config = workspace.config(cell);
  const Dataset& data = workspace.dataset(cell);
  const Examples queries = data.test.select(workspace.split(cell).queries);
  std::map<std::string, RunSet> runs;
  std::map<std::string, at::Tensor> scores;
  std::map<std::string, SubsetRuns> subset_runs;
  for (const auto& [input, indices] : cell.inputs) {
    const std::size_t space = input.find(' ');
    if (space == std::string::npos) continue;
    const std::string kind = input.substr(0, space), algorithm = input.substr(space + 1);
    if (kind == "runs") {
      RunSet& set = runs[algorithm];
      std::vector<const Cell*> cells;
      for (const std::size_t index : indices) cells.push_back(&workspace.plan().cells[index]);
      set.predictor = workspace.predictor(*cells.front());
      for (const Cell* run : cells) set.keys.push_back(run->key.text());
      set.weights = [&workspace, cells](std::size_t run) {
        return workspace.weights(*cells.at(run));
      };
      set.facts = [&workspace, cells](std::size_t run) {
        return workspace.run_facts(*cells.at(run));
      };
      set.tensors = [&workspace, cells](std::size_t run) {
        return workspace.run_tensors(*cells.at(run));
      };
    } else if (kind == "attribution") {
      const Artifact artifact = workspace.input(cell, input);
      scores.emplace(algorithm, require_tensor(map_tensors(artifact, "scores.safetensors"),
                                               "scores", artifact));
    } else if (kind == "measurements") {
      subset_runs.emplace(
          algorithm,
          read_measurements(workspace, cell, input, config.at("replicates").get<std::int64_t>()));
    }
  }
  Json compare, verify;
  TensorMap compare_tensors, verify_tensors;
  if (workspace.input_count(cell, "comparison") > 0) {
    const Artifact artifact = workspace.input(cell, "comparison");
    compare = artifact.json("comparison.json");
    compare_tensors = map_tensors(artifact, "comparison.safetensors");
  }
  if (workspace.input_count(cell, "verification") > 0) {
    const Artifact artifact = workspace.input(cell, "verification");
    verify = artifact.json("verification.json");
    const Artifact selection = workspace.input(cell, "selection");
    verify_tensors = map_tensors(selection, "transformations.safetensors");
  }
  const auto evaluation = workspace.plugin<Evaluation>("evaluations", config);
  const EvaluationResult result =
      evaluation->evaluate({data.facts, data.train, data.test, queries,
                            FieldTraits<Measurement>::read(config.at("measurement")), runs, scores,
                            subset_runs, compare, compare_tensors, verify, verify_tensors,
                            cell.own.at("seed").get<std::uint64_t>(), progress});
  Json exhibits = Json::array();
  for (const Exhibit& exhibit : result.exhibits) {
    exhibits.push_back(
        {{"kind", exhibit.kind}, {"title", exhibit.title}, {"content", exhibit.content}});
  }
  out.add_json("evaluation.json",
               {{"values", result.values}, {"summary", result.summary}, {"exhibits", exhibits}});
  add_tensors(out, "tensors.safetensors", result.tensors);
}

StageFunction find_stage(const std::string& kind) {
  static const std::map<std::string, StageFunction> stages{{"dataset", make_dataset},
                                                           {"preflight", make_preflight},
                                                           {"split", make_split},
                                                           {"run_scores", make_run_scores},
                                                           {"measurements", make_measurements},
                                                           {"attribution", make_attribution},
                                                           {"comparison", make_comparison},
                                                           {"proposals", make_proposals},
                                                           {"screen_effects", make_screen_effects},
                                                           {"selection", make_selection},
                                                           {"verify_effects", make_verify_effects},
                                                           {"verification", make_verification},
                                                           {"evaluation", make_evaluation}};
  const auto at = stages.find(kind);
  return at == stages.end() ? nullptr : at->second;
}

}  // namespace modeldiff
