#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

#include "app/make_cells.h"
#include "app/report_files.h"
#include "app/results.h"
#include "config/yaml.h"
#include "store/file_io.h"

namespace modeldiff {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kShownLabels = 3;

struct ReportArguments {
  ExperimentArguments experiment;
  fs::path out = "results";
};

/// What is needed to write a report once more.
struct Subject {
  Plan plan;
  std::vector<Expectation> expectations;
  fs::path folder;
  /// What makes the cells that are missing.
  std::string command;
};

/// The plan that a folder of results came from: nothing but the store is needed.
Subject subject_of_results(const ReportArguments& arguments, const Store& store) {
  const fs::path folder = result_file(arguments.experiment.file).parent_path();
  const Json result = read_result(folder);
  const auto name = result.at("experiment").get<std::string>();
  const fs::path file = plan_file(store, name);
  const auto advice = "; name the experiment file instead: modeldiff report FILE";
  if (!fs::exists(file)) {
    throw DataError(fmt::format("the store '{}' holds no plan of experiment '{}'{}",
                                store.root().string(), name, advice));
  }
  Subject subject{plan_from_json(Json::parse(read_text(file))), {}, folder, "modeldiff run FILE"};
  if (subject.plan.description != result.at("description")) {
    throw DataError(fmt::format(
        "the last plan of experiment '{}' is not the one of '{}': it has been run with other "
        "values since{}",
        name, folder.string(), advice));
  }
  const fs::path resolved = folder / "resolved.yaml";
  const Value root = parse_yaml(read_text(resolved), resolved.string());
  if (const Value* expect = root.find("expect")) subject.expectations = parse_expectations(*expect);
  return subject;
}

/// What is missing, with how it failed when it was tried last.
std::vector<MissingCell> missing_cells(const Plan& plan, const Store& store) {
  std::map<std::string, std::string> failed;
  for (const Json& line : store.attempts()) {
    if (line.contains("key") && line.contains("failed"))
      failed[line.at("key")] = line.at("failed").get<std::string>();
  }
  const std::vector<bool> settled = settled_cells(plan, store);
  std::vector<MissingCell> missing;
  for (std::size_t i = 0; i < settled.size(); ++i) {
    if (settled[i]) continue;
    const auto at = failed.find(plan.cells[i].key.text());
    missing.push_back(at == failed.end() ? MissingCell{i, "not made", "not in the store"}
                                         : MissingCell{i, "failed", at->second});
  }
  return missing;
}

/// One line a kind: how many are missing, and the first of them.
std::string missing_text(const Plan& plan, const std::vector<MissingCell>& missing) {
  std::vector<std::string> kinds;
  std::map<std::string, std::vector<std::string>> labels;
  for (const MissingCell& cell : missing) {
    const Cell& of_plan = plan.cells[cell.cell];
    if (labels[of_plan.kind].empty()) kinds.push_back(of_plan.kind);
    labels[of_plan.kind].push_back(
        of_plan.label + (cell.kind == "failed" ? " (failed: " + cell.message + ")" : ""));
  }
  std::string out;
  for (const std::string& kind : kinds) {
    std::vector<std::string>& all = labels.at(kind);
    const std::size_t more = all.size() - std::min(all.size(), kShownLabels);
    all.resize(all.size() - more);
    out += fmt::format("  {:>5} {:<15} {}{}\n", all.size() + more, kind, fmt::join(all, "; "),
                       more > 0 ? fmt::format("; and {} more", more) : "");
  }
  return out;
}

int report_one(const Globals& globals, const Store& store, const Subject& subject) {
  const Console console = globals.console();
  const Plan& plan = subject.plan;
  const std::vector<MissingCell> missing = missing_cells(plan, store);
  const std::string what =
      fmt::format("{} of the {} cells of '{}' are missing:\n{}to make them: {}\n", missing.size(),
                  plan.cells.size(), plan.experiment, missing_text(plan, missing), subject.command);
  // Without the data set there is no number at all.
  if (!store.contains(plan.cells.front().key)) {
    throw DataError(fmt::format("there is nothing to report in the store '{}': {}",
                                store.root().string(), what.substr(0, what.size() - 1)));
  }
  const Json result =
      write_report_files(subject.folder, plan, store, missing, subject.expectations);
  print_report(console, globals.json, result, subject.folder);
  if (!missing.empty()) {
    console.error(what);
    return kCellsFailed;
  }
  return expectation_missed(result) ? kExpectationMissed : kDone;
}

int report(const Globals& globals, const ReportArguments& arguments) {
  const Store store(globals.store);
  if (is_result(arguments.experiment.file))
    return report_one(globals, store, subject_of_results(arguments, store));
  const PluginRegistry plugins = globals.plugins();
  int worst = kDone;
  for (const Experiment& experiment : arguments.experiment.load(globals, plugins)) {
    const Subject subject{globals.plan(experiment, plugins, store), experiment.expectations,
                          arguments.out / experiment.name,
                          "modeldiff run " + experiment.file.string()};
    worst = std::max(worst, report_one(globals, store, subject));
  }
  return worst;
}

}  // namespace

void add_report(CLI::App& app, const Globals& globals, int& exit_code) {
  auto arguments = std::make_shared<ReportArguments>();
  CLI::App* verb = with_example(
      app.add_subcommand(
          "report",
          "Write report.html and result.json again from the store, without running anything"),
      "modeldiff report experiments/quickstart.yaml");
  verb->add_option("experiment", arguments->experiment.file,
                   "The experiment file, or a folder of its results")
      ->required()
      ->type_name("FILE|RESULT");
  arguments->experiment.add_options_to(*verb);
  verb->add_option("--out", arguments->out,
                   "Folder for report.html and result.json, below the experiment's name")
      ->capture_default_str()
      ->type_name("FOLDER");
  verb->callback([=, &globals, &exit_code] { exit_code = report(globals, *arguments); });
}

}  // namespace modeldiff
