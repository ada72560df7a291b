#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "run_program.h"

/// Each folder of tests/bad_experiments/program holds an experiment file, the files it names, and
/// expected.txt: the command line and what the program says to it; of a run its errors. Without a
/// file arguments.txt (one argument a line) the command is `check experiment.yaml`; what only data
/// can tell has the command `run`. MODELDIFF_UPDATE_GOLDEN=1 rewrites the expected texts, but never
/// what a case is about: each must end with exit code 2.
namespace modeldiff::test {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> arguments_of(const fs::path& folder) {
  std::vector<std::string> arguments;
  std::istringstream lines(content_of(folder / "arguments.txt"));
  for (std::string line; std::getline(lines, line);) arguments.push_back(line);
  return arguments.empty() ? std::vector<std::string>{"check", "experiment.yaml"} : arguments;
}

std::string transcript(const fs::path& folder, const fs::path& scratch) {
  std::vector<std::string> arguments = arguments_of(folder);
  std::string text = "$ modeldiff";
  for (const std::string& argument : arguments) text += " " + argument;
  if (arguments.front() == "run") {
    arguments.insert(arguments.end(), {"-q", "-j1", "--out", (scratch / "results").string()});
  }
  arguments.insert(arguments.end(), {"--store", (scratch / "store").string()});
  const ProgramRun run = run_program(arguments, folder, {"XDG_DATA_HOME=" + scratch.string()});
  CHECK(run.exit_code == 2);
  text += "\n" + (arguments.front() == "run" ? "" : run.out) + run.err;
  return replaced(replaced(text, folder.string(), "{folder}"), scratch.string(), "{scratch}");
}

std::vector<fs::path> cases(bool with_data) {
  std::vector<fs::path> folders;
  for (const auto& entry :
       fs::directory_iterator(fs::path(MODELDIFF_SOURCE_DIR) / "tests/bad_experiments/program")) {
    if ((arguments_of(entry.path()).front() == "run") == with_data) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

void compare(const std::vector<fs::path>& folders, const fs::path& scratch) {
  for (const fs::path& folder : folders) {
    CAPTURE(folder.filename().string());
    const std::string found = transcript(folder, scratch);
    if (std::getenv("MODELDIFF_UPDATE_GOLDEN")) write_file(folder / "expected.txt", found);
    CHECK(found == content_of(folder / "expected.txt"));
  }
}

}  // namespace

TEST_CASE("what a file alone can tell is said by check, with its place and what would be right") {
  const std::vector<fs::path> folders = cases(false);
  REQUIRE(folders.size() >= 60);
  compare(folders, ScratchFolder().path());
}

TEST_CASE("what only the data can tell is said by run, before anything is trained") {
  const std::vector<fs::path> folders = cases(true);
  REQUIRE(folders.size() >= 15);
  const ScratchFolder scratch;
  compare(folders, scratch.path());
  const ProgramRun runs =
      run_program({"store", "ls", "--kind", "run", "--store", (scratch.path() / "store").string()},
                  scratch.path());
  CHECK(runs.err.find("the store has no artifact of kind 'run'") != std::string::npos);
}

}  // namespace modeldiff::test
