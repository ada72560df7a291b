#include <ATen/ATen.h>
#include <fmt/format.h>

#include "analysis/effects.h"
#include "engine/artifacts.h"
#include "engine/stages.h"
#include "engine/transformations.h"

namespace modeldiff {
namespace {

/// Directions as the comparison found them, both ways.
std::vector<Direction> directions_of(const Artifact& comparison) {
  const Json facts = comparison.json("comparison.json");
  const TensorMap tensors = map_tensors(comparison, "comparison.safetensors");
  std::vector<Direction> out;
  for (const Json& side : facts.at("sides")) {
    const auto of = side.at("of").get<std::string>();
    const at::Tensor& examples = require_tensor(tensors, of + ".examples", comparison);
    const at::Tensor& queries = require_tensor(tensors, of + ".queries", comparison);
    for (std::int64_t j = 0; j < examples.size(0); ++j) {
      const Json& direction = side.at("directions")[static_cast<std::size_t>(j)];
      out.push_back({of, side.at("against").get<std::string>(), j, examples[j].to(at::kFloat),
                     queries[j].to(at::kFloat), direction.at("p_value").get<double>()});
    }
  }
  return out;
}

}  // namespace

void make_proposals(Workspace& workspace, const Cell& cell, Publication& out, Progress& progress) {
  const Json& config = workspace.config(cell);
  const Dataset& data = workspace.dataset(cell);
  const auto proposer = workspace.plugin<Proposer>("proposers", config);
  std::vector<Transformation> proposed =
      proposer->propose({.facts = data.facts,
                         .train = data.train,
                         .directions = directions_of(workspace.input(cell, "comparison")),
                         .seed = cell.own.at("seed").get<std::uint64_t>(),
                         .runs = workspace.input_runs(cell),
                         .screen = workspace.input_count(cell, "split") > 0
                                       ? data.test.select(workspace.split(cell).screen)
                                       : Examples{},
                         .progress = progress});
  for (Transformation& transformation : proposed)
    transformation.proposer = config.at("plugin").get<std::string>();
  write_transformations(out, proposed);
}

void make_screen_effects(Workspace& workspace, const Cell& cell, Publication& out,
                         Progress& progress) {
  const ProposalSet proposals(workspace, cell, "proposals");
  const EffectRuns runs(workspace, cell);
  const Dataset& data = workspace.dataset(cell);
  const Examples images = data.test.select(workspace.split(cell).screen);
  const at::Tensor before = runs.probabilities(images.inputs);
  const at::Tensor plain = images.floats();
  std::vector<at::Tensor> effects;
  for (std::size_t i = 0; i < proposals.size(); ++i) {
    progress.check_stop();
    effects.push_back(
        treatment_effects(before, runs.probabilities(proposals.apply(i, plain)), images.targets));
    progress.update(static_cast<double>(i + 1) / static_cast<double>(proposals.size()),
                    proposals[i].label);
  }
  add_tensors(out, "effects.safetensors",
              {{"effects", at::stack(effects, 1)}});  // [runs, F, C] float64
}

void make_selection(Workspace& workspace, const Cell& cell, Publication& out, Progress&) {
  const Json& config = workspace.config(cell);
  const ProposalSet proposals(workspace, cell, "proposals");
  const auto effects = [&](const char* name) {
    std::vector<at::Tensor> parts;
    for (std::size_t i = 0; i < workspace.input_count(cell, name); ++i) {
      const Artifact artifact = workspace.input(cell, name, i);
      parts.push_back(
          require_tensor(map_tensors(artifact, "effects.safetensors"), "effects", artifact));
    }
    return at::cat(parts);
  };
  const at::Tensor of = effects("effects of"), against = effects("effects against");
  std::vector<ScreenEntry> entries;
  for (std::size_t i = 0; i < proposals.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    entries.push_back(
        {proposals[i].family, of.select(1, index), against.select(1, index), false, std::nullopt});
  }
  const std::vector<Screened> kept = screen(
      entries, {config.at("keep").get<std::size_t>(), config.at("per_family").get<std::size_t>()});

  std::vector<Transformation> chosen, placebos;
  Json rows = Json::array();
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const Transformation& transformation = proposals[kept[i].entry];
    RandomStream random(cell.own.at("seed").get<std::uint64_t>(), "placebo", i);
    const std::optional<Transformation> placebo =
        proposals.proposer(kept[i].entry).placebo(transformation, random);
    rows.push_back({{"target_class", kept[i].target_class},
                    {"difference", kept[i].difference},
                    {"bound", kept[i].bound},
                    {"placebo", placebo ? Json(placebos.size()) : Json()}});
    chosen.push_back(transformation);
    if (placebo) {
      placebos.push_back(*placebo);
      placebos.back().proposer = transformation.proposer;
    }
  }
  write_transformations(out, chosen);
  write_transformations(out, placebos, "placebos");
  out.add_json("selection.json", {{"proposed", proposals.size()}, {"selected", rows}});
}

}  // namespace modeldiff
