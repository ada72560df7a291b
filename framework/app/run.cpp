#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "app/durations.h"
#include "app/progress.h"
#include "app/verbs.h"
#include "config/key_path.h"
#include "config/render.h"
#include "report/report.h"
#include "report/result.h"
#include "store/file_io.h"
#include "workers/pool.h"

namespace modeldiff {
namespace {

volatile sig_atomic_t g_interrupts = 0;

/// The first Ctrl-C asks for a clean stop, the second ends the process.
void on_interrupt(int) {
  g_interrupts = g_interrupts + 1;
  if (g_interrupts >= 2) ::_exit(kInterrupted);
}

struct RunArguments {
  ExperimentArguments experiment;
  int workers = 0;
  std::filesystem::path out = "results";
  bool stop_on_failure = false;
};

double free_memory_bytes() {
  std::ifstream in("/proc/meminfo");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("MemAvailable:")) return std::atof(line.c_str() + 13) * 1024;
  }
  return 0;
}

/// Cells that are alike cost about the same and are handed out together.
std::vector<PoolCell> pool_cells(const Plan& plan, const std::vector<bool>& done) {
  std::map<std::string, std::size_t> groups;
  std::vector<PoolCell> cells;
  for (std::size_t i = 0; i < plan.cells.size(); ++i) {
    const Cell& cell = plan.cells[i];
    const std::string group = fmt::format("{}/{}/{}", cell.kind, cell.config, cell.own.value("checkpoints", Json()).dump());
    cells.push_back({plan.needs(i), groups.try_emplace(group, groups.size()).first->second, done[i]});
  }
  return cells;
}

/// Cells whose result nothing that is missing needs are left alone, even when they are absent themselves.
std::vector<bool> settled_cells(const Plan& plan, const Store& store) {
  std::vector<bool> there(plan.cells.size()), needed(plan.cells.size(), false), settled(plan.cells.size(), true);
  for (std::size_t i = 0; i < plan.cells.size(); ++i) there[i] = store.contains(plan.cells[i].key);
  std::vector<bool> read_by_other(plan.cells.size(), false);
  for (const Cell& cell : plan.cells) {
    for (const auto& [name, indices] : cell.inputs) {
      for (const std::size_t index : indices) read_by_other[index] = true;
    }
  }
  for (std::size_t i = plan.cells.size(); i-- > 0;) {
    if (there[i] || (read_by_other[i] && !needed[i])) continue;
    settled[i] = false;
    for (const std::size_t need : plan.needs(i)) needed[need] = true;
  }
  return settled;
}

class ExperimentRun {
 public:
  ExperimentRun(const Globals& globals, const RunArguments& arguments, const Experiment& experiment, const PluginRegistry& plugins)
      : globals_(globals), arguments_(arguments), experiment_(experiment), plugins_(plugins), console_(globals.console()),
        store_(globals.store) {
    DigestCache digests(store_.root() / "cache" / "digests.jsonl");
    plan_ = make_plan(experiment, plugins, globals.data(std::filesystem::absolute(experiment.file).parent_path()), digests);
    workers_ = arguments.workers > 0 ? arguments.workers : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  }

  int run() {
    const std::vector<bool> done = settled_cells(plan_, store_);
    const auto left = std::count(done.begin(), done.end(), false);
    const std::filesystem::path folder = store_.run_folder(experiment_.name);
    write_text_atomically(folder / "plan.json", to_json(plan_).dump());
    PoolResult pool;
    if (left > 0) pool = make_cells(done, folder / "plan.json");
    if (pool.interrupted) {
      console_.error(fmt::format("\nstopped; what is finished is kept. To go on: modeldiff run {}\n", experiment_.file.string()));
      return kInterrupted;
    }
    return conclude(pool, left);
  }

 private:
  PoolResult make_cells(const std::vector<bool>& done, const std::filesystem::path& plan_file) {
    const Json& limits = plan_.description.at("limits");
    PoolOptions options;
    options.workers = workers_;
    options.stop_on_failure = arguments_.stop_on_failure;
    options.cell_limit = std::chrono::duration<double>(60 * limits.at("cell_minutes").get<double>());
    const double memory = limits.at("memory_gib").get<double>();
    options.environment = {fmt::format("MODELDIFF_MEMORY_LIMIT={:.0f}", memory > 0 ? memory * 1024 * 1024 * 1024 : free_memory_bytes() / workers_),
                           "OMP_NUM_THREADS=1", "MKL_NUM_THREADS=1"};
    options.command = {(globals_.program.parent_path() / "modeldiff-worker").string(), store_.root().string(), plan_file.string()};
    for (const auto& folder : plugins_.folders()) options.command.push_back(folder.string());

    g_interrupts = 0;
    struct sigaction action{}, before{};
    action.sa_handler = on_interrupt;
    ::sigaction(SIGINT, &action, &before);
    ::sigaction(SIGTERM, &action, nullptr);
    Durations durations(store_.attempts());
    RunProgress progress(console_, plan_, done, durations, workers_);
    WorkerPool pool(pool_cells(plan_, done), options);
    const PoolResult result = pool.run(
        [&](const PoolEvent& event) {
          progress.on_event(event);
          record(event);
        },
        [] { return g_interrupts > 0; });
    ::sigaction(SIGINT, &before, nullptr);
    return result;
  }

  void record(const PoolEvent& event) {
    if (event.kind != PoolEvent::Kind::done && event.kind != PoolEvent::Kind::failed) return;
    const Cell& cell = plan_.cells[event.cell];
    Json line{{"key", cell.key.text()}, {"group", Durations::group_of(plan_, cell)}, {"label", cell.label}};
    if (event.kind == PoolEvent::Kind::done) {
      line["seconds"] = event.seconds;
    } else {
      line["failed"] = event.text;
    }
    store_.record_attempt(std::move(line));
  }

  int conclude(const PoolResult& pool, std::ptrdiff_t left) {
    std::vector<MissingCell> missing;
    std::vector<Diagnostic> mend;
    for (const CellFailure& failure : pool.failures) {
      missing.push_back({failure.cell, failure.kind, failure.message});
      if (failure.kind == "config") mend.push_back({locate_key_path(experiment_.root, failure.path), failure.path, failure.message});
    }
    for (const std::size_t cell : pool.blocked) missing.push_back({cell, "blocked", "a part that it needs is missing"});
    const Json result = collect_result(plan_, store_, missing, experiment_.expectations);
    const std::filesystem::path folder = arguments_.out / experiment_.name;
    create_folders(folder);
    const std::string text = result.dump(1, ' ', false, Json::error_handler_t::replace);
    write_text_atomically(folder / "result.json", text);
    write_text_atomically(folder / "resolved.yaml", experiment_.description.dump(2) + "\n");
    write_text_atomically(folder / "report.html", render_report(result, plan_, store_));

    if (globals_.json) {
      console_.result(text);
    } else {
      for (const std::string& line : verdict(result)) console_.result(line);
      console_.result((folder / "report.html").string());
    }
    if (left == 0) console_.note("nothing was left to do");
    if (pool.nondeterministic > 0) {
      console_.error(fmt::format("{} cells gave other bytes than another process for the same key; see the store's attempts\n", pool.nondeterministic));
    }
    if (!mend.empty()) {
      RenderStyle style;
      style.colour = console_.colour();
      console_.error(render_diagnostics(mend, style));
    }
    return exit_code(pool, result);
  }

  int exit_code(const PoolResult& pool, const Json& result) const {
    bool all_config = !pool.failures.empty();
    for (const CellFailure& failure : pool.failures) all_config = all_config && failure.kind == "config";
    if (all_config) return kUsage;
    if (!pool.failures.empty()) return kCellsFailed;
    const auto& expect = result.at("expect");
    const bool missed = std::any_of(expect.begin(), expect.end(), [](const Json& row) { return !row.at("holds").get<bool>(); });
    return missed ? kExpectationMissed : kDone;
  }

  const Globals& globals_;
  const RunArguments& arguments_;
  const Experiment& experiment_;
  const PluginRegistry& plugins_;
  Console console_;
  Store store_;
  Plan plan_;
  int workers_ = 1;
};

int run(const Globals& globals, const RunArguments& arguments) {
  const PluginRegistry plugins = globals.plugins();
  const std::vector<Experiment> experiments = arguments.experiment.load(globals, plugins);
  int worst = kDone;
  for (const Experiment& experiment : experiments) {
    if (experiments.size() > 1) globals.console().note(globals.console().bold(experiment.name));
    const int code = ExperimentRun(globals, arguments, experiment, plugins).run();
    if (code == kInterrupted) return code;
    worst = std::max(worst, code);
  }
  return worst;
}

}  // namespace

void add_run(CLI::App& app, const Globals& globals, int& exit_code) {
  auto arguments = std::make_shared<RunArguments>();
  CLI::App* verb = app.add_subcommand("run", "Run an experiment, or what is left of it, and write its report");
  arguments->experiment.add_to(*verb);
  verb->add_option("-j,--workers", arguments->workers, "Worker processes; default: one a core")->check(CLI::Range(1, 1024));
  verb->add_option("--out", arguments->out, "Folder for report.html and result.json, below the experiment's name")->capture_default_str();
  verb->add_flag("--fail-fast", arguments->stop_on_failure, "Stop at the first cell that fails");
  verb->callback([=, &globals, &exit_code] { exit_code = run(globals, *arguments); });
}

}  // namespace modeldiff
