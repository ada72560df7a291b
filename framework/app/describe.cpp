#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "app/verbs.h"
#include "config/json_schema.h"
#include "config/nearest.h"
#include "config/parameter_docs.h"
#include "config/render.h"
#include "config/visit.h"
#include "planning/preconditions.h"
#include "plugin_host/trial.h"

namespace modeldiff {
namespace {

Json to_json(const PluginManifest& plugin) {
  return {{"kind", plugin.kind},
          {"name", plugin.name},
          {"version", plugin.version},
          {"summary", plugin.summary},
          {"traits", plugin.traits},
          {"file", plugin.file.string()},
          {"schema", modeldiff::to_json(plugin.schema)}};
}

int describe(const Globals& globals, const std::string& kind_word, const std::string& name) {
  const Console console = globals.console();
  const PluginRegistry plugins = globals.plugins();
  if (!name.empty()) {
    const std::string kind = plugin_kind(kind_word);
    const PluginManifest* plugin = plugins.find(kind, name);
    if (!plugin) {
      throw ConfigError("", fmt::format("there is no plugin '{}' of kind '{}'{}", name, kind,
                                        name_advice(name, plugins.names(kind), "there are")));
    }
    if (globals.json) {
      console.result(to_json(*plugin).dump(2));
      return kDone;
    }
    console.result(fmt::format("{} {} ({})\n{}\n{}\n", console.bold(plugin->name), plugin->version,
                               kind, plugin->summary, console.dim(plugin->file.string())));
    console.result(text_table(plugin->schema));
    return kDone;
  }
  const std::string only = kind_word.empty() ? "" : plugin_kind(kind_word);
  Json list = Json::array();
  std::string last;
  for (const PluginManifest* plugin : plugins.plugins()) {
    if (!only.empty() && plugin->kind != only) continue;
    if (globals.json) {
      list.push_back(to_json(*plugin));
      continue;
    }
    if (plugin->kind != last)
      console.result(fmt::format("{}{}", last.empty() ? "" : "\n", console.bold(plugin->kind)));
    last = plugin->kind;
    console.result(
        fmt::format("  {:<18} {:<6} {}", plugin->name, plugin->version, plugin->summary));
  }
  if (globals.json) console.result(list.dump(2));
  for (const UnusablePlugin& plugin : plugins.unusable()) {
    console.note(fmt::format("not usable: {}\n  {}", plugin.file.string(), plugin.reason));
  }
  return kDone;
}

}  // namespace

void add_describe(CLI::App& app, const Globals& globals, int& exit_code) {
  struct Arguments {
    std::string kind, name;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* verb = with_example(
      app.add_subcommand("describe", "Print the plugins there are, or the parameters of one"),
      "modeldiff describe algorithms sgd");
  verb->add_option("kind", arguments->kind, "The kind of plugin")
      ->type_name(fmt::format("{}", fmt::join(kPluginKinds, "|")));
  verb->add_option("name", arguments->name, "A plugin of that kind")->type_name("NAME");
  verb->callback([=, &globals, &exit_code] {
    exit_code = describe(globals, arguments->kind, arguments->name);
  });
}

void add_schema(CLI::App& app, const Globals& globals, int& exit_code) {
  auto markdown = std::make_shared<bool>(false);
  CLI::App* verb = with_example(
      app.add_subcommand("schema", "Print the JSON Schema of experiment files, for editors"),
      "modeldiff schema > modeldiff.schema.json");
  verb->add_flag("--markdown", *markdown, "The reference of all keys as Markdown instead");
  verb->callback([=, &globals, &exit_code] {
    const PluginRegistry plugins = globals.plugins();
    globals.console().result(*markdown
                                 ? markdown_reference(experiment_schema(), plugins)
                                 : experiment_json_schema(experiment_schema(), plugins).dump(2));
    exit_code = kDone;
  });
}

namespace {

/// Every plugin that an experiment names, those of other experiments of a sweep once.
std::vector<PluginUse> plugin_uses(const Experiment& experiment, const PluginCatalog& plugins,
                                   std::set<std::string>& known) {
  std::vector<PluginUse> uses;
  visit_parameters(experiment.description, experiment_schema(), plugins,
                   [&](const std::string& path, const FieldInfo& field, const Json& value) {
                     if (field.type != FieldInfo::Type::plugin || value.is_null()) return;
                     if (!known.insert(path + canonical_text(value)).second) return;
                     uses.push_back({path, field.plugin_kind, value});
                   });
  return uses;
}

/// What the file alone cannot tell: data that are not there, parameters that a plugin's constructor
/// refuses.
void check_beyond_schemas(const Globals& globals, const std::vector<Experiment>& experiments,
                          PluginRegistry& plugins) {
  std::set<std::string> known;
  for (const Experiment& experiment : experiments) {
    const DataSearch data = globals.data(std::filesystem::absolute(experiment.file).parent_path());
    std::vector<Diagnostic> errors = unmet_preconditions(experiment, plugins, data);
    TrialResult trial = try_plugins(plugins, plugin_uses(experiment, plugins, known));
    for (Diagnostic& error : with_locations(std::move(trial.errors), experiment.root))
      errors.push_back(std::move(error));
    if (!errors.empty()) throw ConfigError(without_repeats(std::move(errors)));
    if (!trial.failures.empty())
      throw PluginError(fmt::format("{}", fmt::join(trial.failures, "\n")));
  }
}

}  // namespace

void add_check(CLI::App& app, const Globals& globals, int& exit_code) {
  auto arguments = std::make_shared<ExperimentArguments>();
  auto print = std::make_shared<bool>(false);
  CLI::App* verb =
      with_example(app.add_subcommand("check", "Check an experiment file without running anything"),
                   "modeldiff check experiments/quickstart.yaml --resolved");
  arguments->add_to(*verb);
  verb->add_flag("--resolved", *print, "Print the complete description, with all defaults");
  verb->callback([=, &globals, &exit_code] {
    PluginRegistry plugins = globals.plugins();
    const std::vector<Experiment> experiments = arguments->load(globals, plugins);
    check_beyond_schemas(globals, experiments, plugins);
    Json out = Json::array();
    for (const Experiment& experiment : experiments) {
      out.push_back({{"name", experiment.name}, {"description", experiment.description}});
    }
    if (globals.json || *print) {
      globals.console().result((out.size() == 1 ? out.front() : out).dump(2));
    } else {
      globals.console().result(fmt::format(
          "{}: {}{}", arguments->file.string(), globals.console().green("valid"),
          experiments.size() == 1 ? "" : fmt::format(" ({} experiments)", experiments.size())));
    }
    exit_code = kDone;
  });
}

}  // namespace modeldiff
