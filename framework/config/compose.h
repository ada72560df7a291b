#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "config/catalog.h"
#include "modeldiff/core/value.h"

/// One file, what it builds on and what the command line says -> the trees of its experiments. In
/// this order:
///
/// 1. `extends:` at the top names one file or a list of them. Each is looked for beside the file
/// that names it, then in
///    the search folders, with ".yaml" added where that is missing. Later ones win over earlier
///    ones, and the file itself over all. Maps merge key by key; everything else is replaced, lists
///    too. A map that names another `plugin` than the map below it replaces that map, since its
///    keys belong to the other plugin.
/// 2. Overrides, `algorithms.A.lr=0.1`, in their order. The value is YAML. `+=` appends to a list,
/// each item of a list
///    that is given. Keys that the map inherits by (4) are reached as if they stood in it.
/// 3. `sweep:` maps key paths to lists, or to ranges such as `0..9`: one experiment for each
/// combination, the first key
///    slowest. Overrides in all but name.
/// 4. `extends: algorithms.A` inside a map, one key path or a list: that map is inherited and the
/// map's own keys win,
///    merged as in (1). Where the map names another `plugin` than the one it inherits from, the
///    keys that belong to the parameters of the other plugin alone are left behind, and those that
///    both plugins or the section know are kept: `B: {extends: algorithms.A, plugin: adam}` is A's
///    model and epochs without its momentum.
///
/// Every node keeps the place of the text it came from.
namespace modeldiff {

/// More experiments than this from one file are refused.
inline constexpr std::int64_t kMaxSweepExperiments = 10'000;

struct ComposeOptions {
  /// Where files named by `extends:` are looked for after the folder of the file that names them.
  std::vector<std::filesystem::path> search_folders;
  /// "a.b=1", "a.list+=x".
  std::vector<std::string> overrides;
  /// "a.b=1,2,3", "seed=0..9": as `sweep:` in the file, and after it.
  std::vector<std::string> sweeps;
  /// Top-level keys that an override may make when the file has none.
  std::vector<std::string> sections;
  /// For rule 4; without it all keys are inherited.
  const PluginCatalog* catalog = nullptr;
};

struct ComposedExperiment {
  /// "lr=0.1,seed=3": what the sweep chose, fit for a file name and unlike that of all others; ""
  /// without a sweep.
  std::string variant;
  /// Key path and value, in the order of the sweep.
  std::vector<std::pair<std::string, Json>> chosen;
  Value root;
};

/// @return at least one
/// @throws ConfigError
std::vector<ComposedExperiment> compose_experiments(const std::filesystem::path& file,
                                                    const ComposeOptions& options);

}  // namespace modeldiff
