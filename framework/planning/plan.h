#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "modeldiff/core/json.h"
#include "planning/experiment.h"
#include "plugin_host/plugin_registry.h"
#include "store/data_digest.h"
#include "store/data_search.h"
#include "store/store.h"

/// From a frozen experiment to the cells that make its report. No data is read and nothing of torch
/// is loaded: a cell's key follows from its configuration and the keys of what it reads.
namespace modeldiff {

/// One artifact to be made.
struct Cell {
  /// The stage: "dataset", "preflight", "split", "run", "run_scores", "measurements",
  /// "attribution", "comparison", "proposals", "screen_effects", "selection", "verify_effects",
  /// "verification", "evaluation".
  std::string kind;
  /// For people: "algorithm A, attribute run 3".
  std::string label;
  /// Where in the file its parameters stand: "algorithms.A".
  std::string path;
  /// What all cells of one group share, by index into Plan::configs.
  std::size_t config = 0;
  /// What this one adds: seed, index.
  Json own = Json::object();
  /// Names -> cells, in the order in which they are read.
  std::map<std::string, std::vector<std::size_t>> inputs;
  /// Cells that must be done first though nothing of them is read: the checks before training.
  std::vector<std::size_t> after;
  Key key = Key::of(nullptr);
};

struct Plan {
  std::string experiment;
  Json description;
  std::string abi_tag;
  std::vector<Json> configs;
  std::vector<Cell> cells;  // each after all that it reads
  /// Digest of a file or folder -> where it is on this machine.
  std::map<std::string, std::string> data_paths;

  /// All that must be done before a cell.
  std::vector<std::size_t> needs(std::size_t cell) const;
};

/// An algorithm that another one names, to start from its runs.
struct RunReference {
  std::string algorithm;
  /// How many runs each run needs: the key `runs` beside the name.
  std::int64_t count = 1;
  /// The key `run` beside the name: always this one, instead of the run of the same number.
  std::optional<std::int64_t> run;
};

/// @param params of an algorithm @param schema of its plugin
std::vector<RunReference> run_references(const Json& params, const SchemaInfo& schema);

/// What stands in the key of a cell, as text that can be compared: used by `why`.
Json identity_of(const Plan& plan, const Cell& cell);

/// @throws ConfigError with all unmet_preconditions(); DataError when a file cannot be read
Plan make_plan(const Experiment& experiment, const PluginRegistry& plugins, const DataSearch& data,
               DigestCache& digests);

Json to_json(const Plan& plan);
Plan plan_from_json(const Json& json);

}  // namespace modeldiff
