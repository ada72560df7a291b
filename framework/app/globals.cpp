#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "app/verbs.h"
#include "config/nearest.h"
#include "modeldiff/core/hash.h"
#include "modeldiff/plugin.h"

namespace modeldiff {
namespace {

/// Where the program's own files are: beside it in a build, below the prefix when installed.
std::filesystem::path first_that_exists(std::initializer_list<std::filesystem::path> candidates) {
  for (const auto& candidate : candidates) {
    if (std::filesystem::is_directory(candidate)) return candidate;
  }
  return {};
}

}  // namespace

PluginRegistry Globals::plugins() const {
  return PluginRegistry(modeldiff::plugin_folders(plugin_folders), MODELDIFF_ABI_TAG);
}

DataSearch Globals::data(const std::filesystem::path& experiment_folder) const {
  std::vector<std::filesystem::path> roots = data_folders;
  const DataSearch usual = DataSearch::from_environment(experiment_folder);
  roots.insert(roots.end(), usual.roots().begin(), usual.roots().end());
  return DataSearch(roots);
}

std::vector<std::filesystem::path> Globals::preset_folders() const {
  const std::filesystem::path bin = program.parent_path();
  const auto folder =
      first_that_exists({bin / "../share/modeldiff/configs", bin / "../../configs", "configs"});
  return folder.empty() ? std::vector<std::filesystem::path>{} : std::vector{folder};
}

Plan Globals::plan(const Experiment& experiment, const PluginRegistry& plugins,
                   const Store& of_store) const {
  DigestCache digests(of_store.root() / "cache" / "digests.jsonl");
  return make_plan(experiment, plugins,
                   data(std::filesystem::absolute(experiment.file).parent_path()), digests);
}

std::filesystem::path plan_file(const Store& store, const std::string& experiment) {
  std::string folder = experiment;
  std::replace_if(
      folder.begin(), folder.end(),
      [](unsigned char c) { return !std::isalnum(c) && c != '-' && c != '_' && c != '.'; }, '-');
  if (folder.size() > 100) folder.resize(100);
  if (folder != experiment) folder += "-" + sha256(experiment).substr(0, 8);
  return store.run_folder(folder) / "plan.json";
}

std::string plugin_kind(const std::string& word) {
  const std::vector<std::string> kinds(std::begin(kPluginKinds), std::end(kPluginKinds));
  for (const std::string& kind : kinds) {
    if (word == kind || word + "s" == kind) return kind;
  }
  throw ConfigError("", fmt::format("there is no kind of plugin '{}'{}", word,
                                    name_advice(word, kinds, "there are")));
}

CLI::App* with_example(CLI::App* verb, const std::string& example) {
  verb->footer("Example:\n  " + example + "\nOptions of every verb: modeldiff --help");
  return verb;
}

void ExperimentArguments::add_to(CLI::App& verb) {
  verb.add_option("experiment", file, "The experiment file (YAML)")->required()->type_name("FILE");
  add_options_to(verb);
}

void ExperimentArguments::add_options_to(CLI::App& verb) {
  verb.add_option("--set", options.overrides,
                  "Replace a value: --set algorithms.A.lr=0.05 (repeatable)")
      ->type_name("PATH=VALUE")
      ->take_all()
      ->allow_extra_args(false);
  verb.add_option("--sweep", options.sweeps,
                  "One experiment for each value: --sweep seed=0..9 (repeatable)")
      ->type_name("PATH=VALUES")
      ->take_all()
      ->allow_extra_args(false);
}

std::vector<Experiment> ExperimentArguments::load(const Globals& globals,
                                                  const PluginCatalog& plugins) const {
  ExperimentOptions all = options;
  all.preset_folders = globals.preset_folders();
  return load_experiments(file, all, plugins);
}

}  // namespace modeldiff
