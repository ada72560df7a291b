// modeldiff-contract --plugin LIBRARY [--cases FILE]: whether a plugin keeps the laws of its kind.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "config/render.h"
#include "contract/subject.h"
#include "modeldiff/core/error.h"

namespace modeldiff::contract {
namespace {

enum ExitCode : int { kKept = 0, kBroken = 1, kUsage = 2, kSkipped = 77 };

struct Arguments {
  std::filesystem::path library, cases;
  std::vector<std::filesystem::path> plugin_folders, data_folders;
  bool skip_without_data = false;
  bool list = false;
};

void add_to(CLI::App& app, Arguments& arguments) {
  app.add_option("--plugin", arguments.library, "The plugin's library")
      ->required()
      ->type_name("LIBRARY");
  app.add_option("--cases", arguments.cases, "What it is tried on; left out: its defaults")
      ->type_name("FILE");
  app.add_option("--plugin-path", arguments.plugin_folders,
                 "More folders with plugins (repeatable)")
      ->type_name("FOLDER")
      ->take_all()
      ->allow_extra_args(false);
  app.add_option("--data", arguments.data_folders, "More folders with data (repeatable)")
      ->type_name("FOLDER")
      ->take_all()
      ->allow_extra_args(false);
  app.add_flag("--skip-without-data", arguments.skip_without_data,
               "End with 77 when a case's files are absent");
  app.add_flag("--list", arguments.list, "Name the laws of the plugin's kind");
  app.footer(
      "Example:\n  modeldiff-contract --plugin build/plugins/algorithms/mine.so --cases "
      "contract.yaml\n"
      "Exit codes: 0 all laws are kept, 1 one is broken, 2 nothing was checked.\n");
}

/// The files that a data set needs, found before any law is tried.
void require_data() {
  for (const Case& some : subject().cases()) subject().make<DatasetSource>(some)->load(subject());
}

int check(const Arguments& arguments) {
  set_subject(std::make_unique<Subject>(arguments.library, arguments.cases,
                                        arguments.plugin_folders, arguments.data_folders));
  const PluginManifest& plugin = subject().manifest();
  if (arguments.skip_without_data && plugin.kind == "datasets") {
    try {
      require_data();
    } catch (const DataError& error) {
      fmt::print("skipped: {}\n", error.what());
      return kSkipped;
    }
  }
  doctest::Context context;
  context.addFilter("test-suite", plugin.kind.c_str());
  context.setOption("no-intro", true);
  if (arguments.list) {
    // Questions are not among the options that can be set by name.
    const char* const words[] = {"modeldiff-contract", "--list-test-cases"};
    context.applyCommandLine(2, words);
  } else {
    fmt::print("{} '{}' {} on {} case{}\n", plugin.kind, plugin.name, plugin.version,
               subject().cases().size(), subject().cases().size() == 1 ? "" : "s");
  }
  return context.run() == 0 ? kKept : kBroken;
}

int run_main(int count, char** words) {
  CLI::App app("Checks whether a plugin keeps the contract of its kind.", "modeldiff-contract");
  Arguments arguments;
  add_to(app, arguments);
  try {
    app.parse(count, words);
    return check(arguments);
  } catch (const CLI::CallForHelp& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    fmt::print(stderr, "modeldiff-contract: {}\n", e.what());
  } catch (const ConfigError& e) {
    fmt::print(stderr, "{}", render_diagnostics(e.diagnostics(), {}));
  } catch (const std::exception& e) {
    fmt::print(stderr, "modeldiff-contract: {}\n", e.what());
  }
  return kUsage;
}

}  // namespace
}  // namespace modeldiff::contract

int main(int count, char** words) {
  const int code = modeldiff::contract::run_main(count, words);
  // Plugins are never unloaded, so nothing of theirs may run at exit.
  std::fflush(nullptr);
  std::_Exit(code);
}
