#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

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

/// What `plan --json` prints of an experiment file with this text.
nlohmann::json plan_of(const std::string& experiment) {
  const ScratchFolder scratch;
  write_file(scratch.path() / "experiment.yaml", experiment);
  const ProgramRun plan = run_program({"plan", "--json", "experiment.yaml"}, scratch.path());
  CAPTURE(plan.err);
  REQUIRE(plan.exit_code == 0);
  return nlohmann::json::parse(plan.out);
}

/// Runs of each algorithm that an experiment makes.
nlohmann::json planned_runs(const std::string& evaluation) {
  nlohmann::json out = nlohmann::json::object();
  const nlohmann::json planned = plan_of(kExperiment + evaluation);
  for (const auto& cell : planned.at("cells")) {
    const std::string label = cell.at("label");
    if (cell.at("kind") == "run") {
      const std::string name = label.substr(10, label.find(',') - 10);
      out[name] = out.value(name, 0) + 1;
    }
  }
  return out;
}

/// The keys of the cells of one kind, of an experiment that proposes so.
std::vector<std::string> keys_of(const std::string& kind, const std::string& propose) {
  const nlohmann::json planned = plan_of(R"(
experiment: keys
dataset: digits
datasets: {other: digits}
algorithms:
  A: {plugin: sgd, model: linear, epochs: 1}
  B: {plugin: sgd, model: linear, epochs: 2}
attribute: {plugin: trak, runs: 2}
compare: {}
propose: )" + propose);
  std::vector<std::string> out;
  for (const auto& cell : planned.at("cells")) {
    if (cell.at("kind") == kind) out.push_back(cell.at("key"));
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

TEST_CASE("to preregister an entry changes what is selected, not what is proposed or measured") {
  for (const char* changed :
       {"[{plugin: patches, preregistered: true}]", "[{plugin: patches, target: 3}]"}) {
    CAPTURE(changed);
    CHECK(keys_of("proposals", changed) == keys_of("proposals", "[patches]"));
    CHECK(keys_of("screen_effects", changed) == keys_of("screen_effects", "[patches]"));
    CHECK(keys_of("selection", changed) != keys_of("selection", "[patches]"));
  }
}

TEST_CASE("proposals that are made of another data set are others, and hang on it") {
  CHECK(keys_of("proposals", "[{plugin: patches, dataset: other}]") !=
        keys_of("proposals", "[patches]"));
}

TEST_CASE("paired runs of one number have one seed under all algorithms, a control's another") {
  // Runs of algorithms that are alike are the same cells when their seeds are.
  const auto runs = [](const char* paired) {
    const nlohmann::json planned = plan_of(fmt::format(R"(
experiment: pairs
dataset: digits
algorithms:
  A: {{plugin: sgd, model: linear, epochs: 1}}
  B: {{plugin: sgd, model: linear, epochs: 1}}
attribute: {{plugin: trak, runs: 2}}
compare: {{paired: {}}}
propose: [patches]
verify: {{runs: 3}}
)",
                                                       paired));
    return std::count_if(planned.at("cells").begin(), planned.at("cells").end(),
                         [](const auto& cell) { return cell.at("kind") == "run"; });
  };
  constexpr int kOfA = 2 + 2 + 5 + 3 + 3, kOfB = 2 + 5 + 3;  // A has a control twice
  CHECK(runs("false") == kOfA + kOfB);
  CHECK(runs("true") == kOfA);
}

TEST_CASE("runs that start from one named run have it made once for each role") {
  const auto pretraining_runs = [](const char* run) {
    const nlohmann::json planned = plan_of(fmt::format(R"(
experiment: pretraining
dataset: digits
algorithms:
  base: {{plugin: sgd, model: linear, epochs: 1}}
  A: {{plugin: sgd, model: linear, epochs: 1, init: {{from: base{}}}}}
  B: {{plugin: sgd, model: linear, epochs: 2}}
attribute: {{plugin: trak, runs: 3}}
compare: {{between: [A, B], control: false}}
)",
                                                       run));
    std::vector<std::string> out;
    for (const auto& cell : planned.at("cells")) {
      const std::string label = cell.at("label");
      if (cell.at("kind") == "run" && label.starts_with("algorithm base")) out.push_back(label);
    }
    std::sort(out.begin(), out.end());
    return out;
  };
  CHECK(pretraining_runs("") == std::vector<std::string>{"algorithm base, attribute run 0",
                                                         "algorithm base, attribute run 1",
                                                         "algorithm base, attribute run 2"});
  CHECK(pretraining_runs(", run: 2") ==
        std::vector<std::string>{"algorithm base, attribute run 2"});
}

/// Label -> key of every cell of an experiment with five subset runs.
std::map<std::string, std::string> subset_cells(const std::string& subsets) {
  const nlohmann::json planned = plan_of(R"(
experiment: subsets
dataset: digits
algorithms:
  A: {plugin: sgd, model: linear, epochs: 1}
attribute: {plugin: datamodels, runs: 5, subsets: )" +
                                         subsets + "}\n");
  std::map<std::string, std::string> out;
  for (const auto& cell : planned.at("cells")) out[cell.at("label")] = cell.at("key");
  return out;
}

TEST_CASE("subset runs have the shares of the list in turn, and a lone share is a list of one") {
  const auto half = subset_cells("{keep: 0.5}"), quarter = subset_cells("{keep: 0.25}"),
             both = subset_cells("{keep: [0.25, 0.5]}");
  CHECK(subset_cells("{keep: [0.5]}") == half);
  CHECK(subset_cells("{}") == half);
  for (int run = 0; run < 5; ++run) {
    CAPTURE(run);
    const std::string label = fmt::format("algorithm A, attribute run {}", run);
    CHECK(both.at(label) == (run % 2 == 0 ? quarter : half).at(label));
    CHECK(half.at(label) != quarter.at(label));
  }
}

TEST_CASE("more than two algorithms are compared each against each, on the same runs") {
  const nlohmann::json pairs = plan_of(R"(
experiment: three
dataset: digits
algorithms:
  A: {plugin: sgd, model: linear, epochs: 1}
  B: {plugin: sgd, model: linear, epochs: 2}
  C: {plugin: sgd, model: linear, epochs: 3}
attribute: {plugin: trak, runs: 2}
compare: {between: [C, A, B], control: false}
)");
  std::vector<std::string> names;
  std::map<std::string, int> times;  // that the run of a key is planned
  for (const auto& pair : pairs) {
    names.push_back(pair.at("experiment"));
    for (const auto& cell : pair.at("cells")) {
      if (cell.at("kind") == "run") ++times[cell.at("key")];
    }
  }
  CHECK(names ==
        std::vector<std::string>{"three/between=C,A", "three/between=C,B", "three/between=A,B"});
  CHECK(times.size() == 6);
  for (const auto& [key, count] : times) CHECK(count == 2);
}

}  // namespace modeldiff::test
