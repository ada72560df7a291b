// `data ls` and `data fetch`: small files under the names of MNIST's, from folders and from file://
// addresses.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "run_program.h"

namespace modeldiff::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kParts[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                  "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

/// An empty folder for data, which the program takes for the user's.
struct DataFolder {
  ScratchFolder scratch;
  fs::path place() const { return scratch.path() / "modeldiff"; }
  ProgramRun run(const std::vector<std::string>& arguments) const {
    return run_program(arguments, scratch.path(), {"XDG_DATA_HOME=" + scratch.path().string()});
  }
};

}  // namespace

TEST_CASE("data ls says what is looked for and that it is not found") {
  const DataFolder data;
  const Json sets = Json::parse(data.run({"data", "ls", "--json"}).out).at("data_sets");
  bool mnist = false;
  for (const Json& set : sets) {
    if (set.at("plugin") != "mnist") continue;
    mnist = true;
    CHECK(set.at("found").is_null());
    CHECK(set.at("files").size() == 4);
  }
  CHECK(mnist);
  CHECK(holds(data.run({"data", "ls"}).out,
              "not found; modeldiff data fetch mnist --from URL_OR_FOLDER"));
}

TEST_CASE("data fetch without a source says what is expected and where it goes") {
  const DataFolder data;
  const ProgramRun fetch = data.run({"data", "fetch", "mnist"});
  CHECK(fetch.exit_code == 2);
  CHECK(holds(fetch.err, "four IDX files"));
  for (const char* part : kParts) CHECK(holds(fetch.err, part));
  CHECK(holds(fetch.err, (data.place() / "mnist").string()));
  CHECK(holds(data.run({"data", "fetch", "mnits"}).err, "did you mean 'mnist'?"));
  CHECK(holds(data.run({"data", "fetch", "csv"}).err, "there is nothing to fetch"));
}

TEST_CASE("data fetch refuses a folder that lacks files, and files that are not the known ones") {
  const DataFolder data;
  const fs::path source = data.scratch.path() / "source";
  fs::create_directories(source);
  write_file(source / kParts[0], "not images");
  const ProgramRun lacking = data.run({"data", "fetch", "mnist", "--from", "source"});
  CHECK(lacking.exit_code == 2);
  CHECK(holds(lacking.err, kParts[1]));
  for (const char* part : kParts) write_file(source / part, "not images");
  for (const std::string& from : {source.string(), "file://" + source.string()}) {
    CAPTURE(from);
    const ProgramRun wrong = data.run({"data", "fetch", "mnist", "--from", from});
    CHECK(wrong.exit_code == 2);
    CHECK(holds(wrong.err, "must have the SHA-256"));
    CHECK((!fs::exists(data.place() / "mnist") || fs::is_empty(data.place() / "mnist")));
  }
}

TEST_CASE("data fetch brings a file whose digest no one knows, from a folder or an address") {
  for (const std::string scheme : {"", "file://"}) {
    const DataFolder data;
    CAPTURE(scheme);
    write_file(data.scratch.path() / "cifar-10-binary.tar.gz", "an archive");
    const std::string from = scheme + (data.scratch.path() / "cifar-10-binary.tar.gz").string();
    const ProgramRun fetch = data.run({"data", "fetch", "cifar", "--from", from});
    CHECK(fetch.exit_code == 0);
    CHECK(content_of(data.place() / "cifar-10-binary.tar.gz") == "an archive");
    CHECK(holds(data.run({"data", "ls"}).out, (data.place() / "cifar-10-binary.tar.gz").string()));
  }
}

}  // namespace modeldiff::test
