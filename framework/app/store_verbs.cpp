#include <fmt/format.h>

#include <chrono>

#include "app/results.h"
#include "app/table.h"
#include "app/verbs.h"
#include "config/nearest.h"

namespace modeldiff {
namespace {

namespace fs = std::filesystem;

struct ListArguments {
  std::string kind, experiment;
};

struct GcArguments {
  std::vector<fs::path> keep;
  bool yes = false;
};

struct Row {
  ArtifactSummary summary;
  double age_seconds = 0;
  std::string experiment, label;
};

double age_of(const fs::path& folder) {
  std::error_code error;
  const auto modified = fs::last_write_time(folder, error);
  if (error) return 0;
  return std::max(
      0.0, std::chrono::duration<double>(fs::file_time_type::clock::now() - modified).count());
}

std::string age_text(double seconds) {
  if (seconds < 60) return fmt::format("{:.0f} s", seconds);
  if (seconds < 3600) return fmt::format("{:.0f} min", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{:.0f} h", seconds / 3600);
  return fmt::format("{:.0f} d", seconds / 86400);
}

std::vector<Row> rows_of(const Store& store, const ListArguments& wanted) {
  const std::map<std::string, std::string> experiments = experiments_by_key(store);
  std::vector<Row> rows;
  for (ArtifactSummary& summary : store.list()) {
    const auto at = experiments.find(summary.key.text());
    std::string experiment = at == experiments.end() ? "" : at->second;
    if (!wanted.kind.empty() && summary.kind != wanted.kind) continue;
    if (!wanted.experiment.empty() &&
        (", " + experiment + ",").find(" " + wanted.experiment + ",") == std::string::npos) {
      continue;
    }
    std::string label = summary.kind == "corrupt" ? "" : label_of(store.open(summary.key));
    const double age = age_of(store.object_folder(summary.key));
    rows.push_back({std::move(summary), age, std::move(experiment), std::move(label)});
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return std::tie(a.summary.kind, a.experiment) < std::tie(b.summary.kind, b.experiment);
  });
  return rows;
}

void check_kind(const Store& store, const std::string& kind) {
  std::vector<std::string> kinds;
  for (const auto& [name, usage] : store.usage()) kinds.push_back(name);
  if (kind.empty() || kinds.empty() || std::find(kinds.begin(), kinds.end(), kind) != kinds.end())
    return;
  throw UsageError(fmt::format("--kind: the store has no artifact of kind '{}'{}", kind,
                               name_advice(kind, kinds, "there are")));
}

int list(const Globals& globals, const ListArguments& wanted) {
  const Console console = globals.console();
  const Store store(globals.store);
  check_kind(store, wanted.kind);
  const std::vector<Row> rows = rows_of(store, wanted);
  std::uint64_t bytes = 0;
  TextTable table({"kind", "key", ">size", ">age", "experiment", "label"});
  Json artifacts = Json::array();
  for (const Row& row : rows) {
    bytes += row.summary.bytes;
    table.add({row.summary.kind, row.summary.key.brief(),
               bytes_text(static_cast<double>(row.summary.bytes)), age_text(row.age_seconds),
               row.experiment.empty() ? "-" : row.experiment, row.label});
    artifacts.push_back({{"kind", row.summary.kind},
                         {"key", row.summary.key.text()},
                         {"bytes", row.summary.bytes},
                         {"age_seconds", row.age_seconds},
                         {"experiment", row.experiment},
                         {"label", row.label}});
  }
  if (globals.json) {
    console.result(
        Json{{"store", store.root().string()}, {"artifacts", artifacts}, {"bytes", bytes}}.dump(2));
    return kDone;
  }
  if (!rows.empty()) table.print(console);
  console.result(fmt::format("{} artifacts, {} in {}", rows.size(),
                             bytes_text(static_cast<double>(bytes)), store.root().string()));
  return kDone;
}

int verify(const Globals& globals, bool quarantine) {
  const Console console = globals.console();
  const Store store(globals.store);
  const auto progress = [&](std::int64_t done, std::int64_t total) {
    if (console.live() && !console.quiet())
      console.error(fmt::format("\r\x1b[K{}/{} artifacts read", done, total));
  };
  const std::vector<StoreProblem> problems = store.verify_all(progress);
  if (console.live() && !console.quiet()) console.error("\r\x1b[K");
  const std::size_t total = store.keys().size();
  Json corrupt = Json::array();
  for (const StoreProblem& problem : problems) {
    const auto aside = quarantine ? store.quarantine(problem.key, problem.text) : std::nullopt;
    corrupt.push_back({{"key", problem.key.text()},
                       {"problem", problem.text},
                       {"moved_to", aside ? Json(aside->string()) : Json()}});
    if (!globals.json) console.result(fmt::format("{} {}", console.red("corrupt:"), problem.text));
  }
  if (globals.json) {
    console.result(
        Json{{"store", store.root().string()}, {"artifacts", total}, {"corrupt", corrupt}}.dump(2));
  } else {
    console.result(problems.empty()
                       ? fmt::format("all {} artifacts are what their manifests say", total)
                       : fmt::format("{} of {} artifacts are corrupt", problems.size(), total));
  }
  if (problems.empty()) return kDone;
  console.note(
      quarantine
          ? "they were moved to quarantine/ in the store; `modeldiff run FILE` makes them again"
          : "`modeldiff store verify --quarantine` moves them aside; then `modeldiff run FILE` "
            "makes "
            "them again");
  return kCellsFailed;
}

std::set<Key> keys_of(const Globals& globals, const Store& store,
                      const std::vector<fs::path>& files) {
  const PluginRegistry plugins = globals.plugins();
  std::set<Key> keys;
  for (const fs::path& file : files) {
    ExperimentArguments arguments;
    arguments.file = file;
    for (const Experiment& experiment : arguments.load(globals, plugins)) {
      for (const Cell& cell : globals.plan(experiment, plugins, store).cells) keys.insert(cell.key);
    }
  }
  return keys;
}

int collect_garbage(const Globals& globals, const GcArguments& arguments) {
  const Console console = globals.console();
  const Store store(globals.store);
  GcOptions options;
  options.dry_run = !arguments.yes;
  if (!arguments.keep.empty()) options.keep = keys_of(globals, store, arguments.keep);
  const GcReport report = store.gc(options);
  std::map<std::string, KindUsage> kinds;
  Json removed = Json::array();
  for (const ArtifactSummary& artifact : report.removed) {
    KindUsage& kind = kinds[artifact.kind];
    ++kind.artifacts;
    kind.bytes += artifact.bytes;
    removed.push_back(
        {{"key", artifact.key.text()}, {"kind", artifact.kind}, {"bytes", artifact.bytes}});
  }
  if (globals.json) {
    console.result(Json{{"deleted", arguments.yes},
                        {"kept", report.kept},
                        {"artifacts", removed},
                        {"bytes", report.bytes},
                        {"temporary_folders", report.temporary_folders},
                        {"quarantined", report.quarantined}}
                       .dump(2));
    return kDone;
  }
  TextTable table({"kind", ">artifacts", ">size"});
  for (const auto& [kind, usage] : kinds) {
    table.add(
        {kind, std::to_string(usage.artifacts), bytes_text(static_cast<double>(usage.bytes))});
  }
  if (!table.empty()) table.print(console);
  console.result(fmt::format(
      "{} artifacts, {} temporary folders and {} quarantined {}: {}; {} artifacts {}",
      report.removed.size(), report.temporary_folders, report.quarantined,
      arguments.yes ? "deleted" : "can be deleted", bytes_text(static_cast<double>(report.bytes)),
      report.kept, arguments.yes ? "kept" : "are needed"));
  if (arguments.keep.empty()) {
    console.note(
        "needed is what the last plan of each experiment of this store names; --keep FILE... names "
        "the "
        "experiments instead");
  }
  if (!arguments.yes && report.bytes > 0) console.note("nothing was deleted; --yes deletes");
  return kDone;
}

}  // namespace

void add_store(CLI::App& app, const Globals& globals, int& exit_code) {
  CLI::App* store = app.add_subcommand("store", "List, check and clean the folder of artifacts");
  store->require_subcommand(1);

  auto wanted = std::make_shared<ListArguments>();
  CLI::App* ls = with_example(store->add_subcommand("ls", "List the artifacts there are"),
                              "modeldiff store ls --kind run");
  ls->add_option("--kind", wanted->kind, "Only artifacts of this kind: run, attribution, ...")
      ->type_name("KIND");
  ls->add_option("--experiment", wanted->experiment,
                 "Only those in the last plan of this experiment")
      ->type_name("NAME");
  ls->callback([=, &globals, &exit_code] { exit_code = list(globals, *wanted); });

  auto quarantine = std::make_shared<bool>(false);
  CLI::App* check =
      with_example(store->add_subcommand(
                       "verify",
                       "Read every byte and compare it with what was published; exit code 4 when "
                       "something is corrupt"),
                   "modeldiff store verify");
  check->add_flag("--quarantine", *quarantine,
                  "Move corrupt artifacts aside, so that they are made again");
  check->callback([=, &globals, &exit_code] { exit_code = verify(globals, *quarantine); });

  auto arguments = std::make_shared<GcArguments>();
  CLI::App* gc =
      with_example(store->add_subcommand("gc", "Say what no experiment needs, or delete it"),
                   "modeldiff store gc --keep experiments/quickstart.yaml --yes");
  gc->add_option("--keep", arguments->keep,
                 "Experiments whose artifacts are kept; default: all that this store has "
                 "plans of")
      ->type_name("FILE");
  gc->add_flag("--yes", arguments->yes, "Delete; else it is only said what would go");
  gc->callback([=, &globals, &exit_code] { exit_code = collect_garbage(globals, *arguments); });
}

}  // namespace modeldiff
