#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
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
};

/// Options of every verb that reads an experiment file.
struct ExperimentArguments {
  std::filesystem::path file;
  ExperimentOptions options;

  void add_to(CLI::App& verb);
  std::vector<Experiment> load(const Globals& globals, const PluginCatalog& plugins) const;
};

/// @param exit_code set when the verb has run
using AddVerb = void (*)(CLI::App& app, const Globals& globals, int& exit_code);

void add_run(CLI::App& app, const Globals& globals, int& exit_code);
void add_plan(CLI::App& app, const Globals& globals, int& exit_code);
void add_check(CLI::App& app, const Globals& globals, int& exit_code);
void add_describe(CLI::App& app, const Globals& globals, int& exit_code);
void add_schema(CLI::App& app, const Globals& globals, int& exit_code);
void add_why(CLI::App& app, const Globals& globals, int& exit_code);

}  // namespace modeldiff
