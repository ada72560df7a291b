#include <fmt/format.h>

#include <thread>

#include "app/durations.h"
#include "app/flat.h"
#include "app/verbs.h"
#include "modeldiff/core/error.h"
#include "store/file_io.h"

namespace modeldiff {
namespace {

struct KindRow {
  std::int64_t there = 0, missing = 0;
  double seconds = 0;
  bool unknown = false;
};

/// What is there and what would be made, of one experiment.
struct Outlook {
  std::vector<std::pair<std::string, KindRow>> kinds;  // in the order of the cells
  std::int64_t there = 0, missing = 0;
  double bytes = 0;  // of what is there
  std::vector<std::string> damaged;
  Json cells = Json::array();  // empty unless they are listed
};

KindRow& row_of(Outlook& outlook, const std::string& kind) {
  for (auto& [name, row] : outlook.kinds) {
    if (name == kind) return row;
  }
  return outlook.kinds.emplace_back(kind, KindRow{}).second;
}

/// Why a cell has to be made, or need not be.
std::string reason(const Plan& plan, const Store& store, const Cell& cell, bool there) {
  if (there) return "in the store";
  for (const auto& [name, indices] : cell.inputs) {
    for (const std::size_t index : indices) {
      if (!store.contains(plan.cells[index].key))
        return fmt::format("'{}' is to be made first", plan.cells[index].label);
    }
  }
  return "not in the store";
}

void count_artifact(Outlook& outlook, const Store& store, const Key& key) try {
  outlook.bytes += static_cast<double>(store.open(key).bytes());
} catch (const DataError& error) {
  outlook.damaged.push_back(error.what());
}

Outlook outlook_of(const Plan& plan, const Store& store, bool list_cells) {
  const Durations durations(plan, store.attempts());
  Outlook outlook;
  for (std::size_t index = 0; index < plan.cells.size(); ++index) {
    const Cell& cell = plan.cells[index];
    KindRow& row = row_of(outlook, cell.kind);
    const bool there = store.contains(cell.key);
    (there ? row.there : row.missing) += 1;
    (there ? outlook.there : outlook.missing) += 1;
    if (there) {
      count_artifact(outlook, store, cell.key);
    } else if (const auto seconds = durations.of(index)) {
      row.seconds += *seconds;
    } else {
      row.unknown = true;
    }
    if (!list_cells) continue;
    outlook.cells.push_back({{"kind", cell.kind},
                             {"label", cell.label},
                             {"key", cell.key.text()},
                             {"there", there},
                             {"reason", reason(plan, store, cell, there)}});
  }
  return outlook;
}

void print_time(const Console& console, const Outlook& outlook, const Store& store) {
  double seconds = 0;
  bool unknown = false;
  for (const auto& [kind, row] : outlook.kinds) {
    seconds += row.seconds;
    unknown = unknown || row.unknown;
  }
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  console.result(fmt::format("  time: {}{} on {} cores; disk free: {}",
                             unknown ? "more than " : "about ", duration_text(seconds / cores),
                             cores, bytes_text(static_cast<double>(free_disk(store.root())))));
}

void print_outlook(const Console& console, const Plan& plan, const Store& store,
                   const Outlook& outlook) {
  console.result(fmt::format("{}: {} cells, {} to make", console.bold(plan.experiment),
                             plan.cells.size(), outlook.missing));
  for (const auto& [kind, row] : outlook.kinds) {
    console.result(
        fmt::format("  {:<16} {:>6} in the store, {:>6} to make{}", kind, row.there, row.missing,
                    row.missing == 0 ? ""
                    : row.unknown    ? ", time unknown"
                                     : ", about " + duration_text(row.seconds) + " of one core"));
  }
  if (outlook.missing > 0) print_time(console, outlook, store);
  if (outlook.there > 0) {
    console.result(
        fmt::format("  disk: {} in the store for this experiment", bytes_text(outlook.bytes)));
  }
  for (const std::string& problem : outlook.damaged)
    console.result(fmt::format("  {} {}", console.red("damaged:"), problem));
  if (!outlook.damaged.empty())
    console.note(
        "`modeldiff store verify --quarantine` moves them aside; then they are made again");
  for (const Json& cell : outlook.cells) {
    console.result(fmt::format(
        "  {} {}  {} {}", cell.at("there").get<bool>() ? console.green("+") : console.red("-"),
        cell.at("key").get<std::string>().substr(0, 12), cell.at("label").get<std::string>(),
        console.dim(fmt::format("({})", cell.at("reason").get<std::string>()))));
  }
}

int plan_verb(const Globals& globals, const ExperimentArguments& arguments, bool all) {
  const Console console = globals.console();
  const PluginRegistry plugins = globals.plugins();
  const Store store(globals.store);
  Json out = Json::array();
  for (const Experiment& experiment : arguments.load(globals, plugins)) {
    const Plan plan = globals.plan(experiment, plugins, store);
    const Outlook outlook = outlook_of(plan, store, globals.json || all);
    out.push_back({{"experiment", experiment.name},
                   {"cells", outlook.cells},
                   {"bytes", outlook.bytes},
                   {"damaged", outlook.damaged}});
    if (!globals.json) print_outlook(console, plan, store, outlook);
  }
  if (globals.json) console.result((out.size() == 1 ? out.front() : out).dump(2));
  return kDone;
}

std::string change_text(const Difference& change) {
  if (change.a.is_discarded()) return fmt::format("{}: {} (new)", change.path, change.b.dump());
  if (change.b.is_discarded()) return fmt::format("{}: {} (gone)", change.path, change.a.dump());
  return fmt::format("{}: {} (before: {})", change.path, change.b.dump(), change.a.dump());
}

/// What is different in a cell since an earlier plan: nothing when it was not in that.
std::vector<std::string> changes_since(const Plan& before, const Plan& plan, const Cell& cell) {
  std::vector<std::string> changes;
  for (const Cell& old : before.cells) {
    if (old.label != cell.label || old.kind != cell.kind || old.key == cell.key) continue;
    for (const Difference& change : differences(identity_of(before, old), identity_of(plan, cell)))
      changes.push_back(change_text(change));
    break;
  }
  return changes;
}

int why_verb(const Globals& globals, const ExperimentArguments& arguments,
             const std::string& wanted) {
  const Console console = globals.console();
  const PluginRegistry plugins = globals.plugins();
  const Experiment experiment = arguments.load(globals, plugins).front();
  const Store store(globals.store);
  const Plan plan = globals.plan(experiment, plugins, store);
  const std::filesystem::path last = plan_file(store, experiment.name);
  const std::optional<Plan> before =
      std::filesystem::exists(last) ? std::optional(plan_from_json(Json::parse(read_text(last))))
                                    : std::nullopt;
  Json rows = Json::array();
  for (const Cell& cell : plan.cells) {
    if (!wanted.empty() && cell.label.find(wanted) == std::string::npos &&
        !cell.key.text().starts_with(wanted) && cell.kind != wanted)
      continue;
    const bool there = store.contains(cell.key);
    if (wanted.empty() && there) continue;
    rows.push_back({{"label", cell.label},
                    {"key", cell.key.text()},
                    {"there", there},
                    {"reason", reason(plan, store, cell, there)},
                    {"changed_since_last_plan",
                     before ? changes_since(*before, plan, cell) : std::vector<std::string>{}}});
  }
  if (globals.json) {
    console.result(rows.dump(2));
    return kDone;
  }
  if (rows.empty())
    console.result(wanted.empty() ? "everything is in the store; nothing would be made"
                                  : fmt::format("no cell is called '{}'", wanted));
  for (const Json& row : rows) {
    console.result(fmt::format("{} {}: {}", row.at("key").get<std::string>().substr(0, 12),
                               row.at("label").get<std::string>(),
                               row.at("reason").get<std::string>()));
    for (const Json& change : row.at("changed_since_last_plan"))
      console.result("    " + change.get<std::string>());
  }
  return kDone;
}

}  // namespace

void add_plan(CLI::App& app, const Globals& globals, int& exit_code) {
  auto arguments = std::make_shared<ExperimentArguments>();
  auto all = std::make_shared<bool>(false);
  CLI::App* verb = with_example(
      app.add_subcommand("plan", "Say what a run would make, what is in the store, and why"),
      "modeldiff plan experiments/quickstart.yaml --all");
  arguments->add_to(*verb);
  verb->add_flag("--all", *all, "Every cell on a line");
  verb->callback([=, &globals, &exit_code] { exit_code = plan_verb(globals, *arguments, *all); });
}

void add_why(CLI::App& app, const Globals& globals, int& exit_code) {
  auto arguments = std::make_shared<ExperimentArguments>();
  auto wanted = std::make_shared<std::string>();
  CLI::App* verb = with_example(
      app.add_subcommand(
          "why", "Say why cells are, or are not, to be made: what changed since the last plan"),
      "modeldiff why experiments/quickstart.yaml comparison");
  arguments->add_to(*verb);
  verb->add_option(
          "cell", *wanted,
          "Part of a label, a kind, or the start of a key; default: all that are to be made")
      ->type_name("CELL");
  verb->callback([=, &globals, &exit_code] { exit_code = why_verb(globals, *arguments, *wanted); });
}

}  // namespace modeldiff
