#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "analysis/effects.h"
#include "engine/artifacts.h"
#include "engine/stages.h"
#include "engine/transformations.h"
#include "training/classes.h"

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

bool same_tensors(const TensorMap& a, const TensorMap& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.first == y.first && x.second.equal(y.second);
  });
}

/// What the experiment file says of each proposal, whatever its rank.
struct Named {
  std::vector<bool> preregistered;
  std::vector<std::optional<std::int64_t>> target;
};

/// @param entries of `propose`, one for each artifact of the proposals
Named named_beforehand(const ProposalSet& proposals, const Json& entries, const Dataset& data) {
  Named out;
  for (std::size_t i = 0; i < proposals.size(); ++i) {
    const Json& entry = entries[proposals.artifact_of(i)];
    out.preregistered.push_back(entry.at("preregistered").get<bool>());
    const Json& target = entry.at("target");
    out.target.push_back(
        target.is_null() ? std::nullopt : std::optional(class_index(data.facts, target, "target")));
  }
  return out;
}

/// Entries with overlapping grids propose the same transformation. It is tested once: of a free and
/// a preregistered one the latter is kept, with two targets both. @return indices, ascending
std::vector<std::size_t> without_repetitions(const ProposalSet& proposals, const Named& named) {
  std::map<std::string, std::vector<std::size_t>> of_description;
  for (std::size_t i = 0; i < proposals.size(); ++i)
    of_description[to_json(proposals[i]).dump()].push_back(i);
  const auto repeats = [&](std::size_t i, std::size_t j) {
    if (i == j || !same_tensors(proposals[i].tensors, proposals[j].tensors)) return false;
    if (named.preregistered[i] != named.preregistered[j]) return bool(named.preregistered[j]);
    return j < i && named.target[i] == named.target[j];
  };
  std::vector<std::size_t> out;
  for (const auto& [description, alike] : of_description) {
    for (const std::size_t i : alike) {
      if (std::none_of(alike.begin(), alike.end(), [&](std::size_t j) { return repeats(i, j); }))
        out.push_back(i);
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

void make_proposals(Workspace& workspace, const Cell& cell, Publication& out, Progress& progress) {
  const Json& config = workspace.config(cell);
  const Dataset& data = workspace.dataset(cell);
  const auto proposer = workspace.plugin<Proposer>("proposers", config);
  const auto seed = cell.own.at("seed").get<std::uint64_t>();
  const bool elsewhere = workspace.input_count(cell, "donors") > 0;
  ProposeRequest request =
      elsewhere ? request_elsewhere(workspace.dataset(cell, "donors"), seed, progress)
                : ProposeRequest{.facts = data.facts,
                                 .train = data.train,
                                 .directions = directions_of(workspace.input(cell, "comparison")),
                                 .seed = seed,
                                 .runs = {},
                                 .screen = {},
                                 .progress = progress};
  request.runs = workspace.input_runs(cell);
  if (workspace.input_count(cell, "split") > 0)
    request.screen = data.test.select(workspace.split(cell).screen);
  std::vector<Transformation> proposed = proposer->propose(request);
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
  const Named named = named_beforehand(proposals, config.at("entries"), workspace.dataset(cell));
  std::vector<ScreenEntry> entries;
  std::vector<std::size_t> proposal_of;
  for (const std::size_t i : without_repetitions(proposals, named)) {
    const auto index = static_cast<std::int64_t>(i);
    entries.push_back({proposals[i].family, of.select(1, index), against.select(1, index),
                       named.preregistered[i], named.target[i]});
    proposal_of.push_back(i);
  }
  const std::vector<Screened> kept = screen(
      entries, {config.at("keep").get<std::size_t>(), config.at("per_family").get<std::size_t>()});

  std::vector<Transformation> chosen, placebos;
  Json rows = Json::array();
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const std::size_t proposal = proposal_of[kept[i].entry];
    const Transformation& transformation = proposals[proposal];
    RandomStream random(cell.own.at("seed").get<std::uint64_t>(), "placebo", i);
    const std::optional<Transformation> placebo =
        proposals.proposer(proposal).placebo(transformation, random);
    rows.push_back({{"target_class", kept[i].target_class},
                    {"preregistered", static_cast<bool>(named.preregistered[proposal])},
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
