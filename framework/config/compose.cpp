#include "config/compose.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "config/inherit.h"
#include "config/merge.h"
#include "config/nearest.h"
#include "config/override.h"
#include "config/sweep.h"
#include "config/yaml.h"

namespace modeldiff {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const SourceLocation& where, const std::string& path, std::string message) {
  throw ConfigError({{where, path, std::move(message)}});
}

/// The same text for every way to name a file.
std::string identity_of(const fs::path& file) {
  std::error_code problem;
  const fs::path canonical = fs::weakly_canonical(file, problem);
  return (problem ? file : canonical).string();
}

/// A file and all that its `extends:` names, each file read once.
class FileComposer {
 public:
  explicit FileComposer(const ComposeOptions& options) : options_(options) {}

  Value load(const fs::path& file) {
    const std::string id = identity_of(file);
    if (const auto known = loaded_.find(id); known != loaded_.end()) return known->second;
    const Value own = read_yaml(file);
    if (!own.is(Value::Kind::map)) {
      fail(own.where(), "",
           fmt::format("an experiment file is a map of sections, and this is {}", own.described()));
    }
    under_way_.push_back({id, file.string()});
    std::optional<Value> below;
    if (const Value* extends = own.find("extends")) {
      for (const Value& name : names_under(*extends)) {
        const Value base = load(found_file(file, name));
        below = below ? merged(*below, base, options_.catalog) : base;
      }
    }
    under_way_.pop_back();
    const Value above =
        without_entries(own, [](const std::string& key) { return key == "extends"; });
    return loaded_[id] = below ? merged(*below, above, options_.catalog) : above;
  }

 private:
  struct Opened {
    std::string id, name;
  };

  static Value::List names_under(const Value& extends) {
    const Value::List names =
        extends.is(Value::Kind::list) ? extends.items() : Value::List{extends};
    for (const Value& name : names) {
      if (name.is(Value::Kind::string) && !name.as_string().empty()) continue;
      fail(name.where(), "extends",
           fmt::format("extends must be a file or a list of files, got {}", name.described()));
    }
    return names;
  }

  fs::path found_file(const fs::path& from, const Value& name) const {
    std::vector<fs::path> folders{from.parent_path()};
    folders.insert(folders.end(), options_.search_folders.begin(), options_.search_folders.end());
    for (const fs::path& folder : folders) {
      for (const char* ending : {"", ".yaml"}) {
        const fs::path candidate = (folder / (name.as_string() + ending)).lexically_normal();
        std::error_code problem;
        if (!fs::is_regular_file(candidate, problem)) continue;
        refuse_cycle(candidate, name);
        return candidate;
      }
    }
    fail(name.where(), "extends",
         fmt::format("extends: there is no file '{}' in {}{}", name.as_string(),
                     fmt::join(names_of(folders), ", "), advice(name.as_string(), folders)));
  }

  void refuse_cycle(const fs::path& file, const Value& name) const {
    const std::string id = identity_of(file);
    const auto first = std::find_if(under_way_.begin(), under_way_.end(),
                                    [&](const Opened& o) { return o.id == id; });
    if (first == under_way_.end()) return;
    std::vector<std::string> cycle;
    for (auto at = first; at != under_way_.end(); ++at) cycle.push_back(at->name);
    fail(name.where(), "extends",
         fmt::format("{0} extends itself: {1} -> {0}", first->name, fmt::join(cycle, " -> ")));
  }

  static std::vector<std::string> names_of(const std::vector<fs::path>& folders) {
    std::vector<std::string> names;
    for (const fs::path& folder : folders) names.push_back(folder.empty() ? "." : folder.string());
    return names;
  }

  /// The nearest name among the YAML files of the folders.
  static std::string advice(const std::string& name, const std::vector<fs::path>& folders) {
    const bool has_ending = name.ends_with(".yaml") || name.ends_with(".yml");
    std::set<std::string> known;
    for (const fs::path& folder : folders) {
      std::error_code problem;
      for (const auto& entry :
           fs::directory_iterator(folder.empty() ? fs::path(".") : folder, problem)) {
        const fs::path file = entry.path().filename();
        if (file.extension() != ".yaml" && file.extension() != ".yml") continue;
        known.insert(has_ending ? file.string() : file.stem().string());
      }
    }
    const auto nearest = nearest_name(name, {known.begin(), known.end()});
    return nearest ? fmt::format("; did you mean '{}'?", *nearest) : "";
  }

  const ComposeOptions& options_;
  std::map<std::string, Value> loaded_;
  std::vector<Opened> under_way_;
};

/// Every override in turn; those that do not fit are reported together.
Value with_overrides(Value root, const ComposeOptions& options) {
  std::vector<Diagnostic> errors;
  for (const std::string& text : options.overrides) {
    try {
      const Override override = parse_override(text);
      if (override.path == "extends") {
        fail(override.where, override.path, "the files that a file extends cannot be set");
      }
      root = with_override(root, override, options.sections, options.catalog);
    } catch (const ConfigError& e) {
      errors.insert(errors.end(), e.diagnostics().begin(), e.diagnostics().end());
    }
  }
  if (!errors.empty()) throw ConfigError(std::move(errors));
  return root;
}

std::vector<SweepAxis> axes_of(const Value& root, const ComposeOptions& options) {
  std::vector<SweepAxis> axes;
  if (const Value* section = root.find("sweep")) axes = parse_sweep(*section);
  for (const std::string& text : options.sweeps) {
    axes.push_back(sweep_axis(parse_sweep_argument(text)));
  }
  return axes;
}

/// Each axis alone, so that a path that leads nowhere is said once and not for every experiment.
void require_paths(const Value& root, const std::vector<SweepAxis>& axes,
                   const ComposeOptions& options) {
  std::vector<Diagnostic> errors;
  for (const SweepAxis& axis : axes) {
    try {
      Override override = axis.target;
      override.value = axis.values[0];
      with_override(root, override, options.sections, options.catalog);
    } catch (const ConfigError& e) {
      errors.insert(errors.end(), e.diagnostics().begin(), e.diagnostics().end());
    }
  }
  if (!errors.empty()) throw ConfigError(std::move(errors));
}

}  // namespace

std::vector<ComposedExperiment> compose_experiments(const fs::path& file,
                                                    const ComposeOptions& options) {
  const Value root = with_overrides(FileComposer(options).load(file), options);
  const std::vector<SweepAxis> axes = axes_of(root, options);
  const Value base = without_entries(root, [](const std::string& key) { return key == "sweep"; });
  require_paths(base, axes, options);
  const std::vector<SweepChoice> choices = sweep_choices(axes);
  const std::vector<std::string> names = sweep_names(axes, choices);

  std::vector<ComposedExperiment> experiments;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    ComposedExperiment experiment{names[i], {}, base};
    for (std::size_t a = 0; a < axes.size(); ++a) {
      Override override = axes[a].target;
      override.value = axes[a].values[choices[i][a]];
      experiment.chosen.emplace_back(override.path, override.value.to_json());
      experiment.root = with_override(experiment.root, override, options.sections, options.catalog);
    }
    experiment.root = Inheritance(experiment.root, options.catalog).resolved();
    experiments.push_back(std::move(experiment));
  }
  return experiments;
}

}  // namespace modeldiff
