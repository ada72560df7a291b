#include "store/data_search.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <fstream>
#include <optional>

#include "modeldiff/core/error.h"
#include "temporary_folder.h"
#include "thrown_text.h"

using namespace modeldiff;

namespace {

namespace fs = std::filesystem;

/// Sets an environment variable until the end of the scope.
class ScopedVariable {
 public:
  ScopedVariable(std::string name, const std::string& value) : name_(std::move(name)) {
    if (const char* old = ::getenv(name_.c_str())) old_ = old;
    ::setenv(name_.c_str(), value.c_str(), 1);
  }
  ~ScopedVariable() {
    if (old_) {
      ::setenv(name_.c_str(), old_->c_str(), 1);
    } else {
      ::unsetenv(name_.c_str());
    }
  }

 private:
  std::string name_;
  std::optional<std::string> old_;
};

}  // namespace

TEST_CASE(
    "data are looked for in MODELDIFF_DATA, the user's data folder and beside the experiment, in "
    "this order") {
  const TemporaryFolder folder;
  const ScopedVariable data("MODELDIFF_DATA",
                            (folder / "a").string() + "::" + (folder / "b").string());
  const ScopedVariable home("XDG_DATA_HOME", (folder / "home").string());
  const DataSearch search = DataSearch::from_environment(folder / "experiment");
  const std::vector<fs::path> roots{folder / "a", folder / "b", folder / "home/modeldiff",
                                    folder / "experiment"};
  CHECK(search.roots() == roots);
  for (auto root = roots.rbegin(); root != roots.rend(); ++root) {
    fs::create_directories(*root / "images");
    CHECK(search.resolve("images") == *root / "images");
  }
  CHECK(search.resolve("./x/../images") == folder / "a/images");
}

TEST_CASE("without XDG_DATA_HOME the user's data folder is below HOME") {
  const ScopedVariable data("XDG_DATA_HOME", "");
  const ScopedVariable home("HOME", "/home/someone");
  CHECK(user_data_folder() == "/home/someone/.local/share/modeldiff");
}

TEST_CASE("absolute paths and those below ~ are taken as they stand") {
  const TemporaryFolder folder;
  const ScopedVariable home("HOME", folder.path().string());
  std::ofstream(folder / "x") << "";
  const DataSearch search({"/nowhere"});
  CHECK(search.resolve((folder / "x").string()) == folder / "x");
  CHECK(search.resolve("~/x") == folder / "x");
}

TEST_CASE("data that are nowhere are reported with every place and how to fetch them") {
  CHECK(
      thrown_text<DataError>([] { DataSearch({"/nowhere/a", "/nowhere/b"}).resolve("cifar10"); }) ==
      "data 'cifar10' was not found; looked at\n"
      "  /nowhere/a/cifar10\n"
      "  /nowhere/b/cifar10\n"
      "`modeldiff data ls` names what `modeldiff data fetch NAME` downloads; MODELDIFF_DATA adds "
      "folders of your "
      "own, with ':' between them");
  CHECK_THROWS_AS(DataSearch({"/tmp"}).resolve(""), DataError);
}
