#include <fmt/format.h>

#include <thread>

#include "app/durations.h"
#include "app/verbs.h"
#include "store/file_io.h"

namespace modeldiff {
namespace {

struct KindRow {
  std::int64_t there = 0, missing = 0;
  double seconds = 0;
  bool unknown = false;
};

/// Why a cell that is not in the store has to be made.
std::string reason(const Plan& plan, const Store& store, const Cell& cell) {
  for (const auto& [name, indices] : cell.inputs) {
    for (const std::size_t index : indices) {
      if (!store.contains(plan.cells[index].key))
        return fmt::format("'{}' is to be made first", plan.cells[index].label);
    }
  }
  return "not in the store";
}

int plan_verb(const Globals& globals, const ExperimentArguments& arguments, bool all) {
  const Console console = globals.console();
  const PluginRegistry plugins = globals.plugins();
  Json out = Json::array();
  for (const Experiment& experiment : arguments.load(globals, plugins)) {
    const Store store(globals.store);
    const Plan plan = globals.plan(experiment, plugins, store);
    const Durations durations(plan, store.attempts());
    std::vector<std::string> order;
    std::map<std::string, KindRow> rows;
    Json cells = Json::array();
    double bytes = 0;
    std::int64_t measured = 0, made = 0;
    for (std::size_t index = 0; index < plan.cells.size(); ++index) {
      const Cell& cell = plan.cells[index];
      if (!rows.contains(cell.kind)) order.push_back(cell.kind);
      KindRow& row = rows[cell.kind];
      const bool there = store.contains(cell.key);
      (there ? row.there : row.missing) += 1;
      if (there) {
        bytes += static_cast<double>(store.open(cell.key).bytes());
        ++measured;
      } else {
        ++made;
        if (const auto seconds = durations.of(index)) {
          row.seconds += *seconds;
        } else {
          row.unknown = true;
        }
      }
      if (globals.json || all) {
        cells.push_back({{"kind", cell.kind},
                         {"label", cell.label},
                         {"key", cell.key.text()},
                         {"there", there},
                         {"reason", there ? "in the store" : reason(plan, store, cell)}});
      }
    }
    if (globals.json) {
      out.push_back({{"experiment", experiment.name}, {"cells", cells}});
      continue;
    }
    console.result(fmt::format("{}: {} cells, {} to make", console.bold(experiment.name),
                               plan.cells.size(), made));
    double total = 0;
    bool unknown = false;
    for (const std::string& kind : order) {
      const KindRow& row = rows.at(kind);
      total += row.seconds;
      unknown = unknown || row.unknown;
      console.result(
          fmt::format("  {:<16} {:>6} in the store, {:>6} to make{}", kind, row.there, row.missing,
                      row.missing == 0 ? ""
                      : row.unknown    ? ", time unknown"
                                       : ", about " + duration_text(row.seconds) + " of one core"));
    }
    if (made > 0) {
      const double cores = std::max(1u, std::thread::hardware_concurrency());
      console.result(fmt::format("  time: {}{} on {} cores; disk free: {}",
                                 unknown ? "more than " : "about ", duration_text(total / cores),
                                 cores, bytes_text(static_cast<double>(free_disk(store.root())))));
    }
    if (measured > 0)
      console.result(fmt::format("  disk: {} in the store for this experiment", bytes_text(bytes)));
    if (all) {
      for (const Json& cell : cells) {
        console.result(fmt::format(
            "  {} {}  {} {}", cell.at("there").get<bool>() ? console.green("+") : console.red("-"),
            cell.at("key").get<std::string>().substr(0, 12), cell.at("label").get<std::string>(),
            console.dim(fmt::format("({})", cell.at("reason").get<std::string>()))));
      }
    }
  }
  if (globals.json) console.result((out.size() == 1 ? out.front() : out).dump(2));
  return kDone;
}

/// The parts of two descriptions that differ, as paths.
void differences(const Json& now, const Json& before, const std::string& path,
                 std::vector<std::string>& out) {
  if (now == before) return;
  if (now.is_object() && before.is_object()) {
    for (const auto& [key, value] : now.items()) {
      const std::string at = path.empty() ? key : path + "." + key;
      if (before.contains(key)) {
        differences(value, before.at(key), at, out);
      } else {
        out.push_back(fmt::format("{}: {} (new)", at, value.dump()));
      }
    }
    for (const auto& [key, value] : before.items()) {
      if (!now.contains(key))
        out.push_back(
            fmt::format("{}: {} (gone)", path.empty() ? key : path + "." + key, value.dump()));
    }
    return;
  }
  out.push_back(fmt::format("{}: {} (before: {})", path, now.dump(), before.dump()));
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
    std::vector<std::string> changed;
    if (before) {
      for (const Cell& old : before->cells) {
        if (old.label != cell.label || old.kind != cell.kind || old.key == cell.key) continue;
        differences(identity_of(plan, cell), identity_of(*before, old), "", changed);
        break;
      }
    }
    const bool there = store.contains(cell.key);
    if (wanted.empty() && there) continue;
    rows.push_back({{"label", cell.label},
                    {"key", cell.key.text()},
                    {"there", there},
                    {"reason", there ? "in the store" : reason(plan, store, cell)},
                    {"changed_since_last_plan", changed}});
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
