#include "planning/experiment.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "config/check.h"
#include "config/key_path.h"
#include "config/render.h"
#include "config/yaml.h"
#include "modeldiff/dataset_params.h"
#include "planning/sections.h"

namespace modeldiff {
namespace {

/// The file as a whole; each member is a section.
struct ExperimentSections {
  std::string experiment;
  std::string question;
  std::int64_t seed = 0;
  PluginChoice dataset;
  std::map<std::string, PluginChoice> datasets;
  std::map<std::string, PluginChoice> algorithms;
  std::string measurement = "log_odds_margin";
  QueriesSection queries;
  std::optional<PluginChoice> attribute;
  std::optional<CompareSection> compare;
  std::vector<PluginChoice> propose;
  ScreenSection screen;
  std::optional<VerifySection> verify;
  std::vector<PluginChoice> evaluate;
  std::map<std::string, Json> expect;
  LimitsSection limits;

  static Schema<ExperimentSections> schema() {
    using S = ExperimentSections;
    return Schema<S>("experiment")
        .required("experiment", &S::experiment,
                  "Name of the experiment: letters, digits, '-', '_' and '.'.")
        .field("question", &S::question, "What it asks; stands at the top of the report.",
               not_semantic())
        .field("seed", &S::seed, "From this all randomness is derived.", at_least(0))
        .required("dataset", &S::dataset,
                  "The data set, and what is done to it before anyone sees it.",
                  plugin_of("datasets", DatasetParams::schema().info()))
        .field("datasets", &S::datasets,
               "More data sets, by name, for algorithms that train on another one.",
               plugin_of("datasets", DatasetParams::schema().info()))
        .required("algorithms", &S::algorithms, "The learning algorithms, by name.",
                  plugin_of("algorithms", AlgorithmKeys::schema().info()))
        .field("measurement", &S::measurement,
               "The scalar of a query and a model that scores explain; one for all stages.",
               one_of({"log_odds_margin", "max_margin", "loss", "output"}))
        .field("queries", &S::queries, "The test examples whose outputs are explained.",
               shorthand_for("count"))
        .field("attribute", &S::attribute,
               "How each algorithm's use of its training data is estimated.",
               plugin_of("attributors", AttributeKeys::schema().info()))
        .field("compare", &S::compare,
               "Which training examples one algorithm uses and the other does not.")
        .field("propose", &S::propose,
               "What derives transformations of inputs from the directions.",
               plugin_of("proposers", ProposeKeys::schema().info()))
        .field("screen", &S::screen, "The ranking of proposals, on runs and images of its own.")
        .field("verify", &S::verify,
               "The counterfactual test of the best proposals, on fresh runs and images.")
        .field("evaluate", &S::evaluate, "What else is measured.", plugin_of("evaluations"))
        .field("expect", &S::expect,
               "Claims about result.json, {compare.p_value: \"<= 0.05\"}; one that fails makes "
               "exit code 6.",
               not_semantic())
        .field("limits", &S::limits, "Bounds on time and memory.", not_semantic());
  }
};

void check_name(const Value& root, const std::string& name, std::vector<Diagnostic>& errors) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  if (!name.empty() && name.front() != '.' && name.find_first_not_of(kAllowed) == std::string::npos)
    return;
  errors.push_back({locate_key_path(root, "experiment"), "experiment",
                    fmt::format("experiment must be made of letters, digits, '-', '_' and '.', and "
                                "not begin with '.'; got '{}'",
                                name)});
}

/// Sections that stand on others.
void check_sections(const Value& root, const Json& d, std::vector<Diagnostic>& errors) {
  const auto add = [&](const std::string& path, std::string message) {
    errors.push_back(with_locations({{{}, path, std::move(message)}}, root).front());
  };
  const auto needs = [&](const char* section, const char* other) {
    const bool there = !d.at(section).is_null() && !d.at(section).empty();
    if (there && (d.at(other).is_null() || d.at(other).empty())) {
      add(section, fmt::format("needs the section '{}', which is missing", other));
    }
  };
  needs("compare", "attribute");
  needs("propose", "compare");
  needs("verify", "propose");
  if (d.at("algorithms").empty()) add("algorithms", "names no learning algorithm");
  if (!d.at("compare").is_null() && d.at("algorithms").size() < 2) {
    add("compare",
        fmt::format("needs two learning algorithms, the file has {}", d.at("algorithms").size()));
  }
  if (!d.at("compare").is_null()) {
    const Json& between = d.at("compare").at("between");
    if (between.size() == 1)
      add("compare.between", "must name two algorithms or more, or none; names 1");
    std::set<std::string> named;
    for (const Json& name : between) {
      if (!named.insert(name).second)
        add("compare.between", fmt::format("names '{}' twice", name.get<std::string>()));
    }
  }
  const auto check_dataset = [&](const std::string& path, const Json& entry) {
    const std::string dataset = entry.value("dataset", "");
    if (!dataset.empty() && !d.at("datasets").contains(dataset))
      add(path + ".dataset", fmt::format("'{}' is no entry of 'datasets'", dataset));
  };
  for (const auto& [name, algorithm] : d.at("algorithms").items())
    check_dataset("algorithms." + name, algorithm);
  for (std::size_t i = 0; i < d.at("propose").size(); ++i)
    check_dataset(join_index("propose", i), d.at("propose")[i]);
}

Experiment freeze(const std::filesystem::path& file, const ComposedExperiment& composed,
                  const PluginCatalog& catalog) {
  CheckedExperiment checked = check_experiment(composed.root, experiment_schema(), catalog);
  std::vector<Diagnostic> errors = std::move(checked.errors);
  Experiment out{file, "", std::move(checked.description), composed.root, {}};
  if (errors.empty()) {
    out.name = out.description.at("experiment").get<std::string>();
    check_name(out.root, out.name, errors);
    check_sections(out.root, out.description, errors);
    if (!composed.variant.empty()) out.name += "/" + composed.variant;
  }
  if (const Value* expect = out.root.is(Value::Kind::map) ? out.root.find("expect") : nullptr) {
    if (expect->is(Value::Kind::map)) {
      try {
        out.expectations = parse_expectations(*expect);
      } catch (const ConfigError& e) {
        errors.insert(errors.end(), e.diagnostics().begin(), e.diagnostics().end());
      }
    }
  }
  if (!errors.empty()) throw ConfigError(std::move(errors));
  return out;
}

/// One experiment for each pair of the compared algorithms; they share all runs and scores.
std::vector<Experiment> each_against_each(Experiment experiment) {
  const auto between =
      experiment.description.at("compare").is_null()
          ? std::vector<std::string>{}
          : experiment.description.at("compare").at("between").get<std::vector<std::string>>();
  if (between.size() <= 2) return {std::move(experiment)};
  std::vector<Experiment> out;
  for (std::size_t i = 0; i < between.size(); ++i) {
    for (std::size_t j = i + 1; j < between.size(); ++j) {
      Experiment& pair = out.emplace_back(experiment);
      const bool of_sweep = experiment.name.find('/') != std::string::npos;
      pair.name += fmt::format("{}between={},{}", of_sweep ? "," : "/", between[i], between[j]);
      pair.description["compare"]["between"] = {between[i], between[j]};
    }
  }
  return out;
}

}  // namespace

SchemaInfo experiment_schema() { return ExperimentSections::schema().info(); }

std::vector<Experiment> load_experiments(const std::filesystem::path& file,
                                         const ExperimentOptions& options,
                                         const PluginCatalog& catalog) {
  ComposeOptions compose;
  compose.search_folders = options.preset_folders;
  compose.overrides = options.overrides;
  compose.sweeps = options.sweeps;
  compose.catalog = &catalog;
  for (const FieldInfo& field : experiment_schema().fields) compose.sections.push_back(field.name);
  std::vector<Experiment> out;
  for (const ComposedExperiment& composed : compose_experiments(file, compose)) {
    for (Experiment& pair : each_against_each(freeze(file, composed, catalog)))
      out.push_back(std::move(pair));
  }
  return out;
}

std::vector<std::string> compared_algorithms(const Json& description) {
  if (description.at("compare").is_null()) return {};
  auto between = description.at("compare").at("between").get<std::vector<std::string>>();
  if (between.empty()) {
    for (const auto& [name, algorithm] : description.at("algorithms").items()) {
      if (between.size() < 2) between.push_back(name);
    }
  }
  return between;
}

}  // namespace modeldiff
