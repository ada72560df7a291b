#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "app/console.h"
#include "planning/experiment.h"
#include "planning/plan.h"
#include "plugin_host/plugin_registry.h"
#include "store/store.h"

/// One file a verb; each adds itself to the command line and answers with an exit code.
namespace modeldiff {

enum ExitCode : int {
  kDone = 0,
  kOurBug = 1,
  kUsage = 2,
  kPluginFailure = 3,
  kCellsFailed = 4,
  kExpectationMissed = 6,
  kInterrupted = 130,
};

/// What was asked for does not exist or makes no sense; exit code 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What stands before or after any verb.
struct Globals {
  std::filesystem::path program;  // this executable
  std::filesystem::path store = ".modeldiff";
  std::vector<std::filesystem::path> plugin_folders;
  std::vector<std::filesystem::path> data_folders;
  ColourChoice colour = ColourChoice::automatic;
  bool quiet = false;
  bool json = false;

  Console console() const { return Console(colour, quiet, 0); }
  PluginRegistry plugins() const;
  DataSearch data(const std::filesystem::path& experiment_folder) const;
  std::vector<std::filesystem::path> preset_folders() const;
  /// The cells of an experiment, with the data as this machine has them.
  Plan plan(const Experiment& experiment, const PluginRegistry& plugins, const Store& store) const;
  /// The program that loads torch and plugins.
  std::filesystem::path worker() const { return program.parent_path() / "modeldiff-worker"; }
};

/// Where the last plan of an experiment stands; one of a sweep's has a folder of its own.
std::filesystem::path plan_file(const Store& store, const std::string& experiment);

/// Options of every verb that reads an experiment file.
struct ExperimentArguments {
  std::filesystem::path file;
  ExperimentOptions options;

  void add_to(CLI::App& verb);
  /// Without the file itself.
  void add_options_to(CLI::App& verb);
  std::vector<Experiment> load(const Globals& globals, const PluginCatalog& plugins) const;
};

/// The kind of plugins that a person means by "model" or "models".
/// @throws ConfigError with the nearest kind
std::string plugin_kind(const std::string& word);

/// Adds a line that can be typed as it stands to the verb's help. @return the verb
CLI::App* with_example(CLI::App* verb, const std::string& example);

/// @param exit_code set when the verb has run
using AddVerb = void (*)(CLI::App& app, const Globals& globals, int& exit_code);

void add_run(CLI::App& app, const Globals& globals, int& exit_code);
void add_plan(CLI::App& app, const Globals& globals, int& exit_code);
void add_check(CLI::App& app, const Globals& globals, int& exit_code);
void add_describe(CLI::App& app, const Globals& globals, int& exit_code);
void add_schema(CLI::App& app, const Globals& globals, int& exit_code);
void add_why(CLI::App& app, const Globals& globals, int& exit_code);
void add_report(CLI::App& app, const Globals& globals, int& exit_code);
void add_show(CLI::App& app, const Globals& globals, int& exit_code);
void add_transform(CLI::App& app, const Globals& globals, int& exit_code);
void add_diff(CLI::App& app, const Globals& globals, int& exit_code);
void add_store(CLI::App& app, const Globals& globals, int& exit_code);
void add_data(CLI::App& app, const Globals& globals, int& exit_code);
void add_doctor(CLI::App& app, const Globals& globals, int& exit_code);
void add_worker(CLI::App& app, const Globals& globals, int& exit_code);
void add_completion(CLI::App& app, const Globals& globals, int& exit_code);
void add_new(CLI::App& app, const Globals& globals, int& exit_code);

}  // namespace modeldiff
