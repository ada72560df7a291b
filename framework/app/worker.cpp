#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "app/make_cells.h"
#include "store/file_io.h"

namespace modeldiff {
namespace {

struct WorkerArguments {
  ExperimentArguments experiment;
  MakeOptions make;
};

/// How many cells must be made one after another before each.
std::vector<std::size_t> depths_of(const Plan& plan) {
  std::vector<std::size_t> depths(plan.cells.size(), 0);
  for (std::size_t i = 0; i < depths.size(); ++i) {
    for (const std::size_t need : plan.needs(i)) depths[i] = std::max(depths[i], depths[need] + 1);
  }
  return depths;
}

/// The same cells in an order of this process's own, still each after all that it reads: processes
/// that begin at different places rarely make the same cell, without having to ask each other.
Plan in_own_order(const Plan& plan) {
  const std::vector<std::size_t> depths = depths_of(plan);
  std::vector<std::size_t> order(plan.cells.size()), place(plan.cells.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::shuffle(order.begin(), order.end(), std::mt19937_64(std::random_device{}()));
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return depths[a] < depths[b]; });
  for (std::size_t i = 0; i < order.size(); ++i) place[order[i]] = i;
  Plan out = plan;
  for (std::size_t i = 0; i < order.size(); ++i) {
    Cell& cell = out.cells[i] = plan.cells[order[i]];
    for (auto& [name, indices] : cell.inputs) {
      for (std::size_t& index : indices) index = place[index];
    }
    for (std::size_t& index : cell.after) index = place[index];
  }
  return out;
}

Json summary_of(const Experiment& experiment, const Plan& plan, const MadeCells& made) {
  Json failures = Json::array();
  for (const CellFailure& failure : made.pool.failures) {
    failures.push_back({{"cell", plan.cells[failure.cell].label},
                        {"kind", failure.kind},
                        {"message", failure.message}});
  }
  return {{"experiment", experiment.name},
          {"made", made.pool.done},
          {"found", made.pool.found},
          {"failed", failures},
          {"blocked", made.pool.blocked.size()},
          {"interrupted", made.pool.interrupted}};
}

std::string summary_text(const Json& summary, const Experiment& experiment) {
  std::string text =
      fmt::format("{}: {} cells made here, {} by others meanwhile", experiment.name,
                  summary.at("made").get<std::int64_t>(), summary.at("found").get<std::int64_t>());
  const std::string file = experiment.file.string();
  if (summary.at("interrupted").get<bool>())
    return text + fmt::format("; stopped. To go on: modeldiff worker {}", file);
  if (!summary.at("failed").empty()) {
    return text + fmt::format(", {} failed and {} need them", summary.at("failed").size(),
                              summary.at("blocked").get<std::int64_t>());
  }
  return text + fmt::format("; all is in the store. To see it: modeldiff report {}", file);
}

int work(const Globals& globals, const WorkerArguments& arguments) {
  const PluginRegistry plugins = globals.plugins();
  const Store store(globals.store);
  Json out = Json::array();
  int worst = kDone;
  for (const Experiment& experiment : arguments.experiment.load(globals, plugins)) {
    const Plan shared = globals.plan(experiment, plugins, store);
    write_text_atomically(plan_file(store, experiment.name), to_json(shared).dump());
    const Plan plan = in_own_order(shared);
    const PlanInUse in_use = store.use_plan(to_json(plan).dump());
    const MadeCells made =
        make_missing_cells(globals, plugins, store, plan, in_use, arguments.make);
    out.push_back(summary_of(experiment, plan, made));
    if (!globals.json) globals.console().result(summary_text(out.back(), experiment));
    if (made.pool.interrupted) worst = kInterrupted;
    if (worst == kInterrupted) break;
    if (!made.pool.failures.empty()) worst = kCellsFailed;
  }
  if (globals.json) globals.console().result((out.size() == 1 ? out.front() : out).dump(2));
  return worst;
}

}  // namespace

void add_worker(CLI::App& app, const Globals& globals, int& exit_code) {
  auto arguments = std::make_shared<WorkerArguments>();
  CLI::App* verb = with_example(
      app.add_subcommand(
          "worker",
          "Make cells of an experiment beside other workers on the same store; no report"),
      "modeldiff worker experiments/quickstart.yaml --store /shared/store --workers 4");
  arguments->experiment.add_to(*verb);
  arguments->make.add_to(*verb);
  verb->callback([=, &globals, &exit_code] { exit_code = work(globals, *arguments); });
}

}  // namespace modeldiff
