// Transformations that an experiment file names beforehand are verified whatever their rank.

#include <doctest/doctest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "run_program.h"

namespace modeldiff::test {
namespace {

using Json = nlohmann::json;

constexpr const char* kExperiment = R"(
extends: SMALL
propose:
  - {plugin: patches, sizes: [4], corners: false, patterns: []}
  - {plugin: patches, sizes: [4], corners: false, patterns: [], margin: 2, preregistered: true, target: 5}
  - {plugin: textures, dots: [], stripes: [], checkers: [], weights: [0.4], preregistered: true}
  - {plugin: textures, dots: [], stripes: [], webs: [], forms: [additive], weights: [0], preregistered: true}
screen: {images: 50, keep: 2, per_family: 2, runs: 2}
verify: {also: [A]}
evaluate: []
)";

}  // namespace

TEST_CASE("preregistered transformations are verified beside the best, each once, and marked") {
  const ScratchFolder scratch;
  std::string text = kExperiment;
  text.replace(text.find("SMALL"), 5,
               std::string(MODELDIFF_SOURCE_DIR) + "/tests/app/small_quickstart.yaml");
  write_file(scratch.path() / "experiment.yaml", text);
  const ProgramRun run = run_program({"run", "experiment.yaml"}, scratch.path());
  CAPTURE(run.err);
  REQUIRE(run.exit_code == 0);
  const Json result =
      Json::parse(content_of(scratch.path() / "results/small_quickstart/result.json"));
  const std::string page = content_of(scratch.path() / "results/small_quickstart/report.html");

  // On 8 x 8 pixels a square of 4 becomes one of 1: nine places in two colours; the places in the
  // middle are those of the free entry, too. The web has two forms. A checker of weight 0 changes
  // nothing.
  std::set<std::string> labels;
  std::size_t preregistered = 0, unchanged = 0;
  for (const Json& claim : result.at("verify").at("claims")) {
    const std::string label = claim.at("label");
    CAPTURE(label);
    CHECK(labels.insert(label).second);
    const bool is_texture = claim.at("proposer") == "textures";
    const bool is_named = label.find("row 2,") != std::string::npos ||
                          label.find("row 5,") != std::string::npos ||
                          label.find("column 2") != std::string::npos ||
                          label.find("column 5") != std::string::npos ||
                          label.find("row 3, column 3") != std::string::npos;
    CHECK(claim.at("preregistered") == (is_texture || is_named));
    if (is_named) CHECK(claim.at("target_class") == 5);
    if (label == "0 x checker of 4") {
      for (const char* side : {"A", "B"}) {
        CHECK(claim.at("effect").at(side).at("estimate") == 0.0);
        CHECK(claim.at("largest_single_effect").at(side) == 0.0);
        CHECK(claim.at("changed_predictions").at(side).at("estimate") == 0.0);
      }
      CHECK(claim.at("p_value") == 1.0);
      CHECK(claim.at("discovery") == false);
      ++unchanged;
    }
    preregistered += claim.at("preregistered").get<bool>();
    CHECK(claim.at("also").at("A") == claim.at("effect").at("A"));
  }
  CHECK(preregistered == 18 + 2 + 1);
  CHECK(unchanged == 1);
  // All of them again, in the order in which the file names them.
  const Json& named = result.at("verify").at("preregistered");
  REQUIRE(named.size() == preregistered);
  CHECK(named[0].at("label") == "white 1x1 square at row 2, column 2");
  CHECK(named.back().at("proposer") == "textures");
  CHECK(labels.size() == 18 + 2 + 1 + 2);
  CHECK(page.find("solid_patch, preregistered") != std::string::npos);
  CHECK(page.find("web, preregistered") != std::string::npos);
}

}  // namespace modeldiff::test
