#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "run_program.h"

namespace modeldiff::test {
namespace {

constexpr const char* kExperiment = R"(
experiment: counts
dataset: digits
algorithms:
  original: {plugin: descent, model: linear, steps: 5}
  quick: {plugin: deltagrad, from: original, run: 0, change: {delete: {count: 1, vary: true}}}
  exact: {extends: algorithms.quick, plugin: retrain}
  other: {extends: algorithms.quick, plugin: newton}
evaluate:
)";

/// Runs of each algorithm that an experiment makes.
nlohmann::json planned_runs(const std::string& evaluation) {
  const ScratchFolder scratch;
  write_file(scratch.path() / "experiment.yaml", kExperiment + evaluation);
  const ProgramRun plan = run_program({"plan", "--json", "experiment.yaml"}, scratch.path());
  CAPTURE(plan.err);
  REQUIRE(plan.exit_code == 0);
  nlohmann::json out = nlohmann::json::object();
  const nlohmann::json planned = nlohmann::json::parse(plan.out);
  for (const auto& cell : planned.at("cells")) {
    const std::string label = cell.at("label");
    if (cell.at("kind") == "run") {
      const std::string name = label.substr(10, label.find(',') - 10);
      out[name] = out.value(name, 0) + 1;
    }
  }
  return out;
}

}  // namespace

TEST_CASE("an evaluation that counts runs by parameter is given those of the algorithms it names") {
  CHECK(planned_runs("  - {plugin: data_value, before: original, without: quick, runs: 7, "
                     "truth: exact, truth_runs: 4}") ==
        nlohmann::json{{"original", 1}, {"quick", 7}, {"exact", 4}});
  CHECK(planned_runs("  - {plugin: data_value, before: original, without: quick, runs: 7}") ==
        nlohmann::json{{"original", 1}, {"quick", 7}});
}

TEST_CASE("an evaluation with one count is given as many runs of every algorithm") {
  CHECK(planned_runs("  - {plugin: retrain_fidelity, before: original, truth: exact, runs: 2}") ==
        nlohmann::json{{"original", 2}, {"quick", 2}, {"exact", 2}, {"other", 2}});
}

TEST_CASE("an evaluation has the algorithms that it names beside those that are attributed") {
  const nlohmann::json runs = planned_runs(
      "  - {plugin: retrain_fidelity, before: original, truth: other, runs: 2}\n"
      "attribute: {plugin: trak, runs: 3}\n"
      "compare: {between: [quick, exact]}\n");
  CHECK(runs.at("other") == 2);
}

}  // namespace modeldiff::test
