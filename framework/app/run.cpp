#include <fmt/format.h>

#include <algorithm>

#include "app/make_cells.h"
#include "app/report_files.h"
#include "config/render.h"
#include "store/file_io.h"

namespace modeldiff {
namespace {

struct RunArguments {
  ExperimentArguments experiment;
  MakeOptions make;
  std::filesystem::path out = "results";
};

std::vector<MissingCell> missing_cells(const PoolResult& pool) {
  std::vector<MissingCell> missing;
  for (const CellFailure& failure : pool.failures)
    missing.push_back({failure.cell, failure.kind, failure.message});
  for (const std::size_t cell : pool.blocked)
    missing.push_back({cell, "blocked", "a part that it needs is missing"});
  return missing;
}

/// What plugins said of the file: where to mend it.
void print_mistakes(const Console& console, const Experiment& experiment, const PoolResult& pool) {
  std::vector<Diagnostic> mend;
  for (const CellFailure& failure : pool.failures) {
    if (failure.kind != "config") continue;
    mend.push_back({{}, failure.path, failure.message});
  }
  if (mend.empty()) return;
  RenderStyle style;
  style.colour = console.colour();
  // Runs of one algorithm all say the same.
  console.error(
      render_diagnostics(without_repeats(with_locations(std::move(mend), experiment.root)), style));
}

/// Whether something failed, and all of it because of what the file says.
bool only_mistakes(const PoolResult& pool) {
  return !pool.failures.empty() &&
         std::all_of(pool.failures.begin(), pool.failures.end(),
                     [](const CellFailure& failure) { return failure.kind == "config"; });
}

int run_one(const Globals& globals, const RunArguments& arguments, const Experiment& experiment,
            const PluginRegistry& plugins) {
  const Console console = globals.console();
  const Store store(globals.store);
  const Plan plan = globals.plan(experiment, plugins, store);
  const std::string plan_text = to_json(plan).dump();
  write_text_atomically(plan_file(store, experiment.name), plan_text);
  const PlanInUse in_use = store.use_plan(plan_text);
  const MadeCells made = make_missing_cells(globals, plugins, store, plan, in_use, arguments.make);
  if (made.pool.interrupted) {
    console.error(fmt::format("\nstopped; what is finished is kept. To go on: modeldiff run {}\n",
                              experiment.file.string()));
    return kInterrupted;
  }
  print_mistakes(console, experiment, made.pool);
  // What an earlier run reported stays: nothing has been learned.
  if (only_mistakes(made.pool)) return kUsage;
  const std::filesystem::path folder = arguments.out / experiment.name;
  const Json result =
      write_report_files(folder, plan, store, missing_cells(made.pool), experiment.expectations);
  print_report(console, globals.json, result, folder);
  if (made.left == 0) console.note("nothing was left to do");
  if (made.pool.nondeterministic > 0) {
    console.error(fmt::format(
        "{} cells gave other bytes than another process for the same key; see the store's "
        "attempts\n",
        made.pool.nondeterministic));
  }
  if (!made.pool.failures.empty()) return kCellsFailed;
  return expectation_missed(result) ? kExpectationMissed : kDone;
}

int run(const Globals& globals, const RunArguments& arguments) {
  const PluginRegistry plugins = globals.plugins();
  const std::vector<Experiment> experiments = arguments.experiment.load(globals, plugins);
  int worst = kDone;
  for (const Experiment& experiment : experiments) {
    if (experiments.size() > 1) globals.console().note(globals.console().bold(experiment.name));
    const int code = run_one(globals, arguments, experiment, plugins);
    if (code == kInterrupted) return code;
    worst = std::max(worst, code);
  }
  return worst;
}

}  // namespace

void add_run(CLI::App& app, const Globals& globals, int& exit_code) {
  auto arguments = std::make_shared<RunArguments>();
  CLI::App* verb = with_example(
      app.add_subcommand("run", "Run an experiment, or what is left of it, and write its report"),
      "modeldiff run experiments/quickstart.yaml --set seed=3");
  arguments->experiment.add_to(*verb);
  arguments->make.add_to(*verb);
  verb->add_option("--out", arguments->out,
                   "Folder for report.html and result.json, below the experiment's name")
      ->capture_default_str()
      ->type_name("FOLDER");
  verb->callback([=, &globals, &exit_code] { exit_code = run(globals, *arguments); });
}

}  // namespace modeldiff
