#include "app/make_cells.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <thread>

#include "app/durations.h"
#include "app/machine.h"
#include "app/progress.h"
#include "report/result.h"

namespace modeldiff {
namespace {

volatile sig_atomic_t g_interrupts = 0;

void on_interrupt(int) {
  g_interrupts = g_interrupts + 1;
  if (g_interrupts >= 2) ::_exit(kInterrupted);
}

/// Counts interrupts while it lives.
class InterruptGuard {
 public:
  InterruptGuard() {
    g_interrupts = 0;
    struct sigaction action{};
    action.sa_handler = on_interrupt;
    ::sigaction(SIGINT, &action, &interrupt_before_);
    ::sigaction(SIGTERM, &action, &terminate_before_);
  }
  ~InterruptGuard() {
    ::sigaction(SIGINT, &interrupt_before_, nullptr);
    ::sigaction(SIGTERM, &terminate_before_, nullptr);
  }
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

 private:
  struct sigaction interrupt_before_{}, terminate_before_{};
};

/// Runs of an algorithm that share work say how many by the parameter `at_once`.
std::size_t together(const Plan& plan, const Cell& cell) {
  const Json& config = plan.configs[cell.config];
  if (cell.kind != "run" || !config.is_object()) return 1;
  const Json at_once = config.value("at_once", Json(1));
  return at_once.is_number_integer() ? at_once.get<std::size_t>() : 1;
}

/// Cells that are alike cost about the same and are handed out together.
std::vector<PoolCell> pool_cells(const Plan& plan, const std::vector<bool>& done) {
  std::map<std::string, std::size_t> groups;
  std::vector<PoolCell> cells;
  for (std::size_t i = 0; i < plan.cells.size(); ++i) {
    const Cell& cell = plan.cells[i];
    const std::string group = fmt::format("{}/{}/{}", cell.kind, cell.config,
                                          cell.own.value("checkpoints", Json()).dump());
    cells.push_back({plan.needs(i), groups.try_emplace(group, groups.size()).first->second, done[i],
                     together(plan, cell)});
  }
  return cells;
}

PoolOptions pool_options(const Globals& globals, const PluginRegistry& plugins, const Store& store,
                         const Plan& plan, const PlanInUse& in_use, const MakeOptions& options) {
  const Json& limits = plan.description.at("limits");
  PoolOptions out;
  out.workers = options.workers > 0
                    ? options.workers
                    : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  out.stop_on_failure = options.stop_on_failure;
  out.cell_limit = std::chrono::duration<double>(60 * limits.at("cell_minutes").get<double>());
  out.made_elsewhere = [&](std::size_t cell) { return store.contains(plan.cells[cell].key); };
  constexpr double kGiB = 1024.0 * 1024 * 1024;
  const double memory = limits.at("memory_gib").get<double>();
  out.environment = {fmt::format("MODELDIFF_MEMORY_LIMIT={:.0f}",
                                 memory > 0 ? memory * kGiB : free_memory() / out.workers),
                     "OMP_NUM_THREADS=1", "MKL_NUM_THREADS=1"};
  out.command = {globals.worker().string(), store.root().string(), in_use.file().string()};
  for (const auto& folder : plugins.folders()) out.command.push_back(folder.string());
  return out;
}

void record(const Store& store, const Plan& plan, const Durations& durations,
            const PoolEvent& event) {
  if (event.kind != PoolEvent::Kind::done && event.kind != PoolEvent::Kind::failed) return;
  const Cell& cell = plan.cells[event.cell];
  Json line{
      {"key", cell.key.text()}, {"group", durations.group_of(event.cell)}, {"label", cell.label}};
  if (event.kind == PoolEvent::Kind::done) {
    line["seconds"] = event.seconds;
    if (!event.parts.empty()) line["parts"] = event.parts;
  } else {
    line["failed"] = event.text;
  }
  store.record_attempt(std::move(line));
}

}  // namespace

void MakeOptions::add_to(CLI::App& verb) {
  verb.add_option("-j,--workers", workers, "Worker processes; default: one a core")
      ->check(CLI::Range(1, 1024).description(""))
      ->type_name("COUNT");
  verb.add_flag("--fail-fast", stop_on_failure, "Stop at the first cell that fails");
}

std::vector<bool> settled_cells(const Plan& plan, const Store& store) {
  const std::size_t count = plan.cells.size();
  std::vector<bool> there(count), needed(count, false), read_by_other(count, false),
      settled(count, true);
  for (std::size_t i = 0; i < count; ++i) {
    there[i] = store.contains(plan.cells[i].key);
    for (const auto& [name, indices] : plan.cells[i].inputs) {
      for (const std::size_t index : indices) read_by_other[index] = true;
    }
  }
  for (std::size_t i = count; i-- > 0;) {
    const bool only_for_others = read_by_other[i] && !stands_in_result(plan.cells[i].kind);
    if (there[i] || (only_for_others && !needed[i])) continue;
    settled[i] = false;
    for (const std::size_t need : plan.needs(i)) needed[need] = true;
  }
  return settled;
}

MadeCells make_missing_cells(const Globals& globals, const PluginRegistry& plugins,
                             const Store& store, const Plan& plan, const PlanInUse& in_use,
                             const MakeOptions& options) {
  const std::vector<bool> done = settled_cells(plan, store);
  MadeCells made{std::count(done.begin(), done.end(), false), {}};
  if (made.left == 0) return made;
  const Console console = globals.console();
  const PoolOptions settings = pool_options(globals, plugins, store, plan, in_use, options);
  Durations durations(plan, store.attempts());
  RunProgress progress(console, plan, done, durations, settings.workers);
  WorkerPool pool(pool_cells(plan, done), settings);
  const InterruptGuard guard;
  made.pool = pool.run(
      [&](const PoolEvent& event) {
        progress.on_event(event);
        record(store, plan, durations, event);
      },
      [] { return g_interrupts > 0; });
  return made;
}

}  // namespace modeldiff
