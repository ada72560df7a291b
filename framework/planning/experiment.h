#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "config/catalog.h"
#include "config/compose.h"
#include "config/expect.h"
#include "modeldiff/core/json.h"
#include "modeldiff/core/schema.h"
#include "modeldiff/core/value.h"

namespace modeldiff {

/// The sections of an experiment file: what checks, documentation and the JSON Schema are made
/// from.
SchemaInfo experiment_schema();

/// One experiment, checked and frozen.
struct Experiment {
  std::filesystem::path file;
  /// Name, with the sweep's variant when there is one: the name of its folder of results.
  std::string name;
  /// Complete: defaults filled in.
  Json description;
  /// As composed, for the places of errors that come later.
  Value root;
  std::vector<Expectation> expectations;
};

struct ExperimentOptions {
  std::vector<std::string> overrides;  // --set
  std::vector<std::string> sweeps;     // --sweep
  /// Where presets named by `extends:` are searched.
  std::vector<std::filesystem::path> preset_folders;
};

/// @return one experiment, or one for each combination of a sweep and each pair of more than two
/// compared algorithms
/// @throws ConfigError with all that is wrong
std::vector<Experiment> load_experiments(const std::filesystem::path& file,
                                         const ExperimentOptions& options,
                                         const PluginCatalog& catalog);

/// The names that a sweep or the file's order gives to A and B: `compare.between`, or the first two
/// algorithms. Empty when the experiment compares nothing.
std::vector<std::string> compared_algorithms(const Json& description);

}  // namespace modeldiff
