#pragma once

#include <doctest/doctest.h>

#include <algorithm>

#include "modeldiff/core/json.h"
#include "run_program.h"

namespace modeldiff::test {

/// A folder with an experiment, its data and its store.
class Bench {
 public:
  explicit Bench(std::string_view experiment) {
    write_file(folder() / "experiment.yaml", experiment);
  }

  const std::filesystem::path& folder() const { return scratch_.path(); }
  std::filesystem::path store() const { return folder() / ".modeldiff"; }

  ProgramRun run() const {
    return run_program({"run", "experiment.yaml", "-j1", "--store", store().string()}, folder());
  }

  /// The cells that a run has: label, key, there.
  Json cells() const {
    const ProgramRun plan =
        run_program({"plan", "experiment.yaml", "--json", "--store", store().string()}, folder());
    REQUIRE(plan.exit_code == 0);
    return Json::parse(plan.out).at("cells");
  }
  /// Labels of those that are missing.
  std::vector<std::string> left() const {
    std::vector<std::string> labels;
    for (const Json& cell : cells()) {
      if (!cell.at("there").get<bool>()) labels.push_back(cell.at("label"));
    }
    return labels;
  }

  /// The folder of the first artifact whose label begins so.
  std::filesystem::path artifact(std::string_view label) const {
    for (const Json& cell : cells()) {
      if (!cell.at("label").get<std::string>().starts_with(label)) continue;
      const auto key = cell.at("key").get<std::string>();
      for (const auto& entry : std::filesystem::recursive_directory_iterator(store() / "objects")) {
        if (entry.path().filename() == key) return entry.path();
      }
    }
    FAIL("no artifact of '", label, "'");
    return {};
  }

 private:
  ScratchFolder scratch_;
};

#define CHECK_SAYS(run, part)                                                  \
  CHECK_MESSAGE((run).err.find(part) != std::string::npos, "expected: ", part, \
                "\nfound: ", (run).err)

}  // namespace modeldiff::test
