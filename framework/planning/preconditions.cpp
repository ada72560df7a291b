#include "planning/preconditions.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "config/key_path.h"
#include "config/nearest.h"
#include "config/render.h"
#include "config/visit.h"
#include "planning/plan.h"

namespace modeldiff {
namespace {

class Preconditions {
 public:
  Preconditions(const Experiment& experiment, const PluginRegistry& plugins)
      : experiment_(experiment), plugins_(plugins) {}

  void check_data(const DataSearch& data) {
    const auto check = [&](const std::string& path, const FieldInfo& field, const Json& value) {
      if (field.type != FieldInfo::Type::path || !value.is_string() ||
          value.get<std::string>().empty())
        return;
      try {
        data.resolve(value.get<std::string>());
      } catch (const DataError& e) {
        add(path, e.what());
      }
    };
    visit_parameters(experiment_.description, experiment_schema(), plugins_, check);
  }

  /// A plugin whose trait `follows` names something starts from runs that leave it behind: their
  /// plugin's trait `leaves`.
  void check_followed_runs() {
    const Json& algorithms = experiment_.description.at("algorithms");
    for (const auto& [name, params] : algorithms.items()) {
      const PluginManifest& plugin = plugin_of(params);
      const std::string follows = plugin.traits.value("follows", "");
      if (follows.empty()) continue;
      for (const RunReference& reference : run_references(params, plugin.schema)) {
        const PluginManifest& other = plugin_of(algorithms.at(reference.algorithm));
        if (other.traits.value("leaves", "") == follows) continue;
        add(join_key("algorithms", name),
            fmt::format("'{}' follows the {} of a run, and runs of '{}' (plugin '{}') leave none: "
                        "{}; plugins that leave one: {}",
                        plugin.name, follows, reference.algorithm, other.name,
                        plugin.traits.value("because", ""),
                        fmt::join(plugins_that_leave(follows), ", ")));
      }
    }
  }

  void check_residual() {
    const Json& compare = experiment_.description.at("compare");
    const Json& attribute = experiment_.description.at("attribute");
    if (compare.is_null() || attribute.is_null() || compare.at("residual") == "normalised") return;
    const auto residual = compare.at("residual").get<std::string>();
    const auto name = attribute.at("plugin").get<std::string>();
    if (plugins_.find("attributors", name)->traits.value("runs", "all") != "subsets") {
      add("compare.residual",
          fmt::format("'{}' is for attributors that learn from runs on subsets, '{}' does not; use "
                      "'normalised'",
                      residual, name));
    }
    if (compare.at("basis") != "principal") {
      add("compare.basis", fmt::format("'{}' directions are for the 'normalised' residual, not for "
                                       "'{}'",
                                       compare.at("basis").get<std::string>(), residual));
    }
  }

  void check_evaluations() {
    constexpr std::pair<const char*, const char*> kSectionOfNeed[] = {
        {"scores", "attribute"}, {"compare", "compare"}, {"verify", "verify"}};
    const Json& evaluate = experiment_.description.at("evaluate");
    for (std::size_t i = 0; i < evaluate.size(); ++i) {
      const auto name = evaluate[i].at("plugin").get<std::string>();
      const Json needs = plugins_.find("evaluations", name)->traits.value("needs", Json::array());
      for (const auto& [need, section] : kSectionOfNeed) {
        if (std::find(needs.begin(), needs.end(), need) == needs.end() || has_section(section))
          continue;
        add(join_index("evaluate", i),
            fmt::format("evaluation '{}' needs the section '{}', which is missing", name, section));
      }
    }
  }

  void check_expectations() {
    for (const Expectation& expectation : experiment_.expectations) {
      if (std::string problem = absent_part(*split_key_path(expectation.path)); !problem.empty()) {
        errors_.push_back({expectation.where, join_key("expect", expectation.path),
                           fmt::format("expect: {}: {}", expectation.path, problem)});
      }
    }
  }

  std::vector<Diagnostic> errors() && { return std::move(errors_); }

 private:
  void add(const std::string& path, std::string message) {
    std::vector<Diagnostic> error(1);
    error.front().path = path;
    error.front().message = std::move(message);
    errors_.push_back(with_locations(std::move(error), experiment_.root).front());
  }

  const PluginManifest& plugin_of(const Json& algorithm) const {
    return *plugins_.find("algorithms", algorithm.at("plugin").get<std::string>());
  }

  std::vector<std::string> plugins_that_leave(const std::string& what) const {
    std::vector<std::string> names;
    for (const PluginManifest* plugin : plugins_.plugins()) {
      if (plugin->traits.value("leaves", "") == what) names.push_back(plugin->name);
    }
    return names;
  }

  bool has_section(const std::string& section) const {
    const Json& value = experiment_.description.at(section);
    return !value.is_null() && !value.empty();
  }

  /// Why the result will not have what a path begins with, or nothing.
  std::string absent_part(const std::vector<std::string>& path) const {
    static const std::vector<std::string> kParts = {"dataset", "split",  "algorithms", "attribute",
                                                    "compare", "screen", "verify",     "evaluate"};
    const std::string& part = path.front();
    if (std::find(kParts.begin(), kParts.end(), part) == kParts.end()) {
      return fmt::format("there is no '{}' in a result{}", part,
                         name_advice(part, kParts, "there are"));
    }
    const std::string section = part == "screen" ? "propose" : part;
    if (part != "dataset" && part != "split" && !has_section(section)) {
      return fmt::format("the experiment has no section '{}'", section);
    }
    if (path.size() < 2 || (part != "algorithms" && part != "evaluate")) return "";
    const std::vector<std::string> names =
        part == "algorithms" ? names_of_algorithms() : names_of_evaluations();
    if (std::find(names.begin(), names.end(), path[1]) != names.end()) return "";
    return fmt::format("there is no '{}' in '{}'{}", path[1], part,
                       name_advice(path[1], names, "there are"));
  }

  std::vector<std::string> names_of_algorithms() const {
    std::vector<std::string> names;
    for (const auto& [name, algorithm] : experiment_.description.at("algorithms").items())
      names.push_back(name);
    return names;
  }

  std::vector<std::string> names_of_evaluations() const {
    std::vector<std::string> names;
    for (const Json& entry : experiment_.description.at("evaluate"))
      names.push_back(entry.at("plugin"));
    return names;
  }

  const Experiment& experiment_;
  const PluginRegistry& plugins_;
  std::vector<Diagnostic> errors_;
};

}  // namespace

std::vector<Diagnostic> unmet_preconditions(const Experiment& experiment,
                                            const PluginRegistry& plugins, const DataSearch& data) {
  Preconditions preconditions(experiment, plugins);
  preconditions.check_data(data);
  preconditions.check_followed_runs();
  preconditions.check_residual();
  preconditions.check_evaluations();
  preconditions.check_expectations();
  return std::move(preconditions).errors();
}

}  // namespace modeldiff
