#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/check.h"
#include "config/compose.h"
#include "config/expect.h"
#include "config/render.h"
#include "small_experiment.h"

/// Each folder of tests/bad_experiments/small_schema holds an experiment, the options it is run
/// with (one a line, if there are any) and the whole text that the user gets.
/// MODELDIFF_UPDATE_GOLDEN=1 rewrites the texts.
namespace modeldiff {
namespace {

namespace fs = std::filesystem;

std::string content_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// Files are named as from the folder of the experiment.
class InFolder {
 public:
  explicit InFolder(const fs::path& folder) : before_(fs::current_path()) {
    fs::current_path(folder);
  }
  ~InFolder() { fs::current_path(before_); }
  InFolder(const InFolder&) = delete;
  InFolder& operator=(const InFolder&) = delete;

 private:
  fs::path before_;
};

ComposeOptions options_of_folder() {
  ComposeOptions options;
  options.catalog = &test::small_catalog();
  options.search_folders = {"configs"};
  for (const FieldInfo& field : test::small_schema().fields) options.sections.push_back(field.name);
  std::ifstream in("options.txt");
  for (std::string line; std::getline(in, line);) {
    const std::string option = line.substr(0, line.find(' ')),
                      argument = line.substr(line.find(' ') + 1);
    REQUIRE((option == "--set" || option == "--sweep"));
    (option == "--set" ? options.overrides : options.sweeps).push_back(argument);
  }
  return options;
}

/// What `modeldiff check experiment.yaml` says.
std::string messages() {
  try {
    for (const ComposedExperiment& experiment :
         compose_experiments("experiment.yaml", options_of_folder())) {
      checked_description(experiment.root, test::small_schema(), test::small_catalog());
      if (const Value* expect = experiment.root.find("expect")) parse_expectations(*expect);
    }
  } catch (const ConfigError& e) {
    return render_diagnostics(e.diagnostics());
  }
  return "no error\n";
}

}  // namespace

TEST_CASE("every bad experiment gets its whole text of errors") {
  const bool update = std::getenv("MODELDIFF_UPDATE_GOLDEN") != nullptr;
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(fs::path(MODELDIFF_SOURCE_DIR) /
                                                  "tests/bad_experiments/small_schema")) {
    folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  REQUIRE(folders.size() >= 50);
  for (const fs::path& folder : folders) {
    CAPTURE(folder.filename().string());
    const InFolder here(folder);
    const std::string found = messages();
    if (update) std::ofstream("expected.txt", std::ios::binary) << found;
    CHECK(found != "no error\n");
    CHECK(found == content_of("expected.txt"));
  }
}

}  // namespace modeldiff
