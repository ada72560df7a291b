#include "planning/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/semantic.h"
#include "modeldiff/core/random.h"
#include "planning/preconditions.h"
#include "planning/sections.h"
#include "plugin_host/abi_tag.h"

namespace modeldiff {
namespace {

/// Raised when what an artifact holds, or means, changes.
constexpr int kArtifactSchema = 8;
/// Runs that one effects cell puts through the same transformed images.
constexpr std::int64_t kRunsOfEffectsCell = 10;
/// Subset runs whose answers one measurements cell collects.
constexpr std::int64_t kRunsOfMeasurementsCell = 50;

using Inputs = std::map<std::string, std::vector<std::size_t>>;

class PlanBuilder {
 public:
  PlanBuilder(const Experiment& experiment, const PluginRegistry& plugins, const DataSearch& data,
              DigestCache& digests)
      : description_(experiment.description),
        schema_(experiment_schema()),
        plugins_(plugins),
        data_(data),
        digests_(digests),
        seed_(description_.at("seed").get<std::uint64_t>()) {
    plan_.experiment = experiment.name;
    plan_.description = description_;
    plan_.abi_tag = build_of_results(plugins.host_abi_tag());
  }

  Plan build() {
    dataset_ = add_dataset("dataset", description_.at("dataset"));
    preflight_ = add_preflight();
    split_ = add_split();
    const Json& attribute = description_.at("attribute");
    if (!attribute.is_null()) {
      for (const auto& [name, algorithm] : description_.at("algorithms").items()) {
        if (is_attributed(name)) attributions_[name] = add_attribution(name, 0);
      }
    }
    if (!description_.at("compare").is_null()) add_comparison();
    if (!description_.at("propose").empty()) add_proposals();
    if (!description_.at("verify").is_null()) add_verification();
    for (std::size_t i = 0; i < description_.at("evaluate").size(); ++i) add_evaluation(i);
    return std::move(plan_);
  }

 private:
  /// Every algorithm that is not only there for others to start from.
  bool is_attributed(const std::string& name) const {
    const std::vector<std::string> compared = compared_algorithms(description_);
    if (!compared.empty())
      return std::find(compared.begin(), compared.end(), name) != compared.end();
    return description_.at("algorithms").at(name).value("dataset", "").empty();
  }

  std::size_t add_config(const Json& config) {
    const auto [at, is_new] =
        config_index_.try_emplace(canonical_text(config), plan_.configs.size());
    if (is_new) plan_.configs.push_back(config);
    return at->second;
  }

  std::size_t add(Cell cell) {
    cell.key = Key::of(identity_of(plan_, cell));
    const auto [at, is_new] = cell_index_.try_emplace(cell.key.text(), plan_.cells.size());
    if (is_new) plan_.cells.push_back(std::move(cell));
    return at->second;
  }

  /// A section as it enters a key: what can change a result, with the digests of files in place of
  /// their names.
  Json semantic(const char* section, const Json& value) {
    const FieldInfo* field = schema_.find(section);
    MODELDIFF_CHECK(field, section);
    const bool element = (field->type == FieldInfo::Type::list && !value.is_array()) ||
                         (field->type == FieldInfo::Type::table);
    const FieldInfo& info = element ? *field->element : *field;
    return with_digests(semantic_part(value, info, plugins_), info);
  }

  Json with_digests(Json value, const FieldInfo& field) {
    switch (field.type) {
      case FieldInfo::Type::path:
        return value.is_string() && !value.get<std::string>().empty() ? Json(digest_of(value))
                                                                      : value;
      case FieldInfo::Type::list:
        for (Json& item : value) item = with_digests(std::move(item), *field.element);
        return value;
      case FieldInfo::Type::table:
        for (auto& [key, item] : value.items())
          item = with_digests(std::move(item), *field.element);
        return value;
      case FieldInfo::Type::object:
        return value.is_object() ? with_digests(std::move(value), *field.fields) : value;
      case FieldInfo::Type::plugin: {
        if (!value.is_object()) return value;
        const std::string name = value.at("plugin").get<std::string>();
        const PluginManifest* manifest = plugins_.find(field.plugin_kind, name);
        if (!manifest) {
          throw PluginError(
              fmt::format("there is no plugin '{}' of kind '{}'", name, field.plugin_kind));
        }
        if (field.fields) value = with_digests(std::move(value), *field.fields);
        value = with_digests(std::move(value), manifest->schema);
        value["plugin_version"] = version_of(*manifest);
        return value;
      }
      default:
        return value;
    }
  }

  Json with_digests(Json value, const SchemaInfo& schema) {
    for (const FieldInfo& field : schema.fields) {
      if (auto at = value.find(field.name); at != value.end())
        *at = with_digests(std::move(*at), field);
    }
    return value;
  }

  /// What a key holds of a plugin's code: its declared version; of one in development its build, so
  /// that each edit runs anew.
  static std::string version_of(const PluginManifest& manifest) {
    const bool in_development = manifest.version.ends_with("-dev") && !manifest.build_id.empty();
    return in_development ? fmt::format("{} {}", manifest.version, manifest.build_id)
                          : manifest.version;
  }

  std::string digest_of(const std::string& name) {
    const std::filesystem::path path = data_.resolve(name);
    const std::string digest = "sha256:" + digests_.digest(path);
    plan_.data_paths[digest] = std::filesystem::absolute(path).string();
    return digest;
  }

  std::size_t add_dataset(const std::string& path, const Json& value) {
    Cell cell;
    cell.kind = "dataset";
    cell.label = fmt::format("data set {}", value.at("plugin").get<std::string>());
    cell.path = path;
    cell.config = add_config(semantic("dataset", value));
    cell.own = {{"seed", derive_seed(seed_, "dataset")}};
    return add(std::move(cell));
  }

  std::size_t add_preflight() {
    Cell cell;
    cell.kind = "preflight";
    cell.label = "checks before training";
    Json config = Json::object();
    for (const char* section : {"algorithms", "attribute", "propose", "evaluate"}) {
      config[section] = Json::object();
      const Json& value = description_.at(section);
      if (value.is_object() && schema_.find(section)->type == FieldInfo::Type::table) {
        for (const auto& [name, item] : value.items())
          config[section][name] = semantic(section, item);
      } else if (value.is_array()) {
        config[section] = Json::array();
        for (const Json& item : value) config[section].push_back(semantic(section, item));
      } else if (!value.is_null()) {
        config[section] = semantic(section, value);
      }
    }
    cell.config = add_config(config);
    cell.own = {{"queries", description_.at("queries").at("count")}};
    cell.inputs["dataset"] = {dataset_};
    for (const auto& [name, value] : description_.at("datasets").items()) {
      datasets_[name] = add_dataset("datasets." + name, value);
      cell.inputs["dataset " + name] = {datasets_[name]};
    }
    return add(std::move(cell));
  }

  std::size_t add_split() {
    Cell cell;
    cell.kind = "split";
    cell.label = "queries, screening and verification images";
    const Json& verify = description_.at("verify");
    cell.config = add_config(
        {{"queries", description_.at("queries")},
         {"screen",
          description_.at("propose").empty() ? Json(0) : description_.at("screen").at("images")},
         {"verify", verify.is_null() ? Json(0) : verify.at("images")}});
    cell.own = {{"seed", derive_seed(seed_, "split")}};
    cell.inputs["dataset"] = {dataset_};
    return add(std::move(cell));
  }

  struct Subset {
    double keep = 0.5;
    std::string design = "fixed";
    std::int64_t index = 0;
  };

  /// @param role what the run is for: no run serves two roles
  std::size_t add_run(const std::string& algorithm, const std::string& role, std::int64_t index,
                      const Json& keep_checkpoints, const Subset* subset = nullptr,
                      std::int64_t replicate = 0) {
    const Json& value = description_.at("algorithms").at(algorithm);
    Cell cell;
    cell.kind = "run";
    cell.label = fmt::format("algorithm {}, {} run {}", algorithm, role, index);
    cell.path = "algorithms." + algorithm;
    cell.config = run_config(algorithm);
    cell.own = {{"seed", derive_seed(seed_, fmt::format("run/{}/{}", seed_name(algorithm), role),
                                     static_cast<std::uint64_t>(index))},
                {"index", index}};
    if (!keep_checkpoints.is_null()) cell.own["checkpoints"] = keep_checkpoints;
    const std::string dataset = value.value("dataset", "");
    const std::size_t data = dataset.empty() ? dataset_ : datasets_.at(dataset);
    if (subset) {
      cell.own["subset"] = {{"keep", subset->keep},
                            {"design", subset->design},
                            {"index", subset->index},
                            {"role", role}};
      cell.own["replicate"] = replicate;
    }
    cell.inputs["dataset"] = {data};
    for (const auto& [name, count, fixed] : references_of(algorithm)) {
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t other = fixed.value_or(index * count + i);
        const bool same_data = description_.at("algorithms").at(name).value("dataset", "").empty();
        // What a subset run starts from must not have seen more than the subset.
        cell.inputs["run " + name].push_back(
            add_run(name, role, other, {}, same_data ? subset : nullptr, replicate));
      }
    }
    cell.after = {preflight_, split_};
    return add(std::move(cell));
  }

  /// What seeds of an algorithm's runs are named after: none when runs of all algorithms are paired.
  std::string seed_name(const std::string& algorithm) const { return is_paired() ? "" : algorithm; }

  bool is_paired() const {
    const Json& compare = description_.at("compare");
    return !compare.is_null() && compare.at("paired").get<bool>();
  }

  std::size_t run_config(const std::string& algorithm) {
    const auto [at, is_new] = run_configs_.try_emplace(algorithm, 0);
    if (is_new) {
      Json config = semantic("algorithms", description_.at("algorithms").at(algorithm));
      config.erase("dataset");
      at->second = add_config(config);
    }
    return at->second;
  }

  std::vector<RunReference> references_of(const std::string& algorithm) const {
    const Json& value = description_.at("algorithms").at(algorithm);
    const std::string plugin = value.at("plugin").get<std::string>();
    return run_references(value, plugins_.find("algorithms", plugin)->schema);
  }

  /// The scores of runs [first, first + runs) of an algorithm.
  std::size_t add_attribution(const std::string& algorithm, std::int64_t first) {
    const Json& attribute = description_.at("attribute");
    const PluginManifest* manifest =
        plugins_.find("attributors", attribute.at("plugin").get<std::string>());
    const bool subsets = manifest->traits.value("runs", "all") == "subsets";
    Json keep;
    if (const std::string key = manifest->traits.value("checkpoints", "");
        !key.empty() && attribute.at(key).get<std::int64_t>() > 0) {
      keep = {{"count", attribute.at(key)},
              {"optimizer_state", manifest->traits.value("optimizer_state", false)}};
    }
    Json config = semantic("attribute", attribute);
    config.erase("runs");
    config.erase("subsets");
    config["measurement"] = description_.at("measurement");

    Cell combined;
    combined.kind = "attribution";
    combined.label =
        fmt::format("scores of algorithm {}{}", algorithm, first > 0 ? ", control" : "");
    combined.path = "attribute";
    combined.config = add_config(config);
    combined.inputs["dataset"] = {dataset_};
    combined.inputs["split"] = {split_};
    const auto runs = attribute.at("runs").get<std::int64_t>();
    const auto keeps = attribute.at("subsets").at("keep").get<std::vector<double>>();
    for (std::int64_t i = first; i < first + runs; ++i) {
      Subset subset{keeps[static_cast<std::size_t>(i) % keeps.size()],
                    attribute.at("subsets").at("design").get<std::string>(), i};
      const std::size_t run = add_run(algorithm, "attribute", i, keep, subsets ? &subset : nullptr);
      Cell scores;
      scores.kind = "run_scores";
      scores.label = fmt::format("scores of algorithm {}, run {}", algorithm, i);
      scores.path = "attribute";
      scores.config = combined.config;
      scores.own = {{"seed", derive_seed(seed_, "scores/" + seed_name(algorithm),
                                         static_cast<std::uint64_t>(i))}};
      scores.inputs = {{"dataset", {dataset_}}, {"split", {split_}}, {"run", {run}}};
      combined.inputs["run_scores"].push_back(add(std::move(scores)));
    }
    return add(std::move(combined));
  }

  void add_comparison() {
    const Json& compare = description_.at("compare");
    const std::vector<std::string> between = compared_algorithms(description_);
    const auto runs = description_.at("attribute").at("runs").get<std::int64_t>();
    Cell cell;
    cell.kind = "comparison";
    cell.label = fmt::format("comparison of {} with {}", between[0], between[1]);
    cell.path = "compare";
    cell.config = add_config(
        {{"paired", compare.at("paired")},
         {"residual", compare.at("residual")},
         {"directions", compare.at("directions")},
         {"basis", compare.at("basis")},
         {"nonzeros", compare.at("nonzeros")},
         {"permutations", compare.at("permutations")},
         {"bootstrap", compare.at("bootstrap")},
         {"attribute", plan_.configs[plan_.cells[attributions_.at(between[0])].config]}});
    cell.own = {{"seed", derive_seed(seed_, "compare")}, {"between", between}};
    cell.inputs["dataset"] = {dataset_};
    cell.inputs["split"] = {split_};
    cell.inputs["attribution of"] = {attributions_.at(between[0])};
    cell.inputs["attribution against"] = {attributions_.at(between[1])};
    if (compare.at("control").get<bool>()) {
      cell.inputs["attribution control"] = {add_attribution(between[0], runs)};
    }
    comparison_ = add(std::move(cell));
  }

  /// What ranks proposals, for a proposer that learns from it.
  void add_screen_runs(Cell& cell) {
    cell.inputs["split"] = {split_};
    const auto runs = description_.at("screen").at("runs").get<std::int64_t>();
    for (const std::string& algorithm : compared_algorithms(description_)) {
      for (std::int64_t i = 0; i < runs; ++i)
        cell.inputs["run " + algorithm].push_back(add_run(algorithm, "screen", i, {}));
    }
  }

  void add_proposals() {
    Json entries = Json::array();
    for (std::size_t i = 0; i < description_.at("propose").size(); ++i) {
      const Json& proposer = description_.at("propose")[i];
      Cell cell;
      cell.kind = "proposals";
      cell.label = fmt::format("proposals of {}", proposer.at("plugin").get<std::string>());
      cell.path = fmt::format("propose[{}]", i);
      Json config = semantic("propose", proposer);
      entries.push_back(
          {{"preregistered", config.at("preregistered")}, {"target", config.at("target")}});
      for (const char* planned : {"preregistered", "target", "dataset"}) config.erase(planned);
      cell.config = add_config(config);
      cell.own = {{"seed", derive_seed(seed_, "propose")}};
      cell.inputs = {{"dataset", {dataset_}}, {"comparison", {comparison_}}};
      const std::string donors = proposer.value("dataset", "");
      if (!donors.empty()) cell.inputs["donors"] = {datasets_.at(donors)};
      const PluginManifest* manifest =
          plugins_.find("proposers", proposer.at("plugin").get<std::string>());
      if (manifest->traits.value("runs", "") == "screen") add_screen_runs(cell);
      proposals_.push_back(add(std::move(cell)));
    }
    const Json& screen = description_.at("screen");
    const std::vector<std::string> between = compared_algorithms(description_);
    Cell selection;
    selection.kind = "selection";
    selection.label = "choice of transformations to verify";
    selection.path = "screen";
    selection.config = add_config({{"keep", screen.at("keep")},
                                   {"per_family", screen.at("per_family")},
                                   {"entries", entries}});
    selection.own = {{"seed", derive_seed(seed_, "selection")}};
    selection.inputs["proposals"] = proposals_;
    selection.inputs["dataset"] = {dataset_};
    selection.inputs["effects of"] =
        add_effects("screen_effects", between[0], "screen", 0,
                    screen.at("runs").get<std::int64_t>(), {{"proposals", proposals_}});
    selection.inputs["effects against"] =
        add_effects("screen_effects", between[1], "screen", 0,
                    screen.at("runs").get<std::int64_t>(), {{"proposals", proposals_}});
    selection_ = add(std::move(selection));
  }

  std::vector<std::size_t> add_effects(const char* kind, const std::string& algorithm,
                                       const std::string& role, std::int64_t first,
                                       std::int64_t runs, const Inputs& transformations) {
    std::vector<std::size_t> out;
    for (std::int64_t start = first; start < first + runs; start += kRunsOfEffectsCell) {
      Cell cell;
      cell.kind = kind;
      cell.label = fmt::format("effects on algorithm {}, {} runs from {}", algorithm, role, start);
      cell.path = role;
      cell.config = add_config(Json::object());
      cell.inputs = transformations;
      cell.inputs["dataset"] = {dataset_};
      cell.inputs["split"] = {split_};
      for (std::int64_t i = start; i < std::min(start + kRunsOfEffectsCell, first + runs); ++i) {
        cell.inputs["runs"].push_back(add_run(algorithm, role, i, {}));
      }
      out.push_back(add(std::move(cell)));
    }
    return out;
  }

  void add_verification() {
    const Json& verify = description_.at("verify");
    const std::vector<std::string> between = compared_algorithms(description_);
    const auto runs = verify.at("runs").get<std::int64_t>();
    const Inputs transformations{{"selection", {selection_}}};
    Cell cell;
    cell.kind = "verification";
    cell.label = "verification";
    cell.path = "verify";
    Json config = verify;
    for (const char* planned : {"runs", "images", "control", "also"}) config.erase(planned);
    config["paired"] = is_paired();
    cell.config = add_config(config);
    cell.own = {
        {"seed", derive_seed(seed_, "verify")}, {"between", between}, {"also", verify.at("also")}};
    cell.inputs["selection"] = {selection_};
    cell.inputs["split"] = {split_};
    cell.inputs["dataset"] = {dataset_};
    cell.inputs["effects of"] =
        add_effects("verify_effects", between[0], "verify", 0, runs, transformations);
    cell.inputs["effects against"] =
        add_effects("verify_effects", between[1], "verify", 0, runs, transformations);
    for (const Json& name : verify.at("also")) {
      const auto algorithm = name.get<std::string>();
      cell.inputs["effects also " + algorithm] =
          add_effects("verify_effects", algorithm, "verify", 0, runs, transformations);
    }
    if (verify.at("control").get<bool>()) {
      cell.inputs["effects control"] =
          add_effects("verify_effects", between[0], "verify", runs, runs, transformations);
    }
    verification_ = add(std::move(cell));
  }

  void add_evaluation(std::size_t index) {
    const Json& value = description_.at("evaluate")[index];
    const std::string name = value.at("plugin").get<std::string>();
    const PluginManifest* manifest = plugins_.find("evaluations", name);
    const auto wanted = manifest->traits.value("needs", std::vector<std::string>{});
    const auto needs = [&](const char* what) {
      return std::find(wanted.begin(), wanted.end(), what) != wanted.end();
    };
    const std::string path = fmt::format("evaluate[{}]", index);
    Cell cell;
    cell.kind = "evaluation";
    cell.label = fmt::format("evaluation {}", name);
    cell.path = path;
    Json config = semantic("evaluate", value);
    config["measurement"] = description_.at("measurement");
    cell.config = add_config(config);
    cell.own = {{"seed", derive_seed(seed_, "evaluate/" + name)}};
    cell.inputs["dataset"] = {dataset_};
    cell.inputs["split"] = {split_};
    for (const auto& [algorithm, unused] : description_.at("algorithms").items()) {
      // Beside those that are attributed, an evaluation has those that it names.
      if (needs("runs") && (is_attributed(algorithm) || names(value, algorithm))) {
        if (auto runs = evaluated_runs(algorithm, value, manifest->traits); !runs.empty())
          cell.inputs["runs " + algorithm] = std::move(runs);
      }
      if (!is_attributed(algorithm)) continue;
      if (needs("scores")) cell.inputs["attribution " + algorithm] = {attributions_.at(algorithm)};
      if (needs("subset_runs"))
        cell.inputs["measurements " + algorithm] = add_measurements(algorithm, value);
    }
    if (needs("compare")) cell.inputs["comparison"] = {comparison_};
    if (needs("verify")) {
      cell.inputs["verification"] = {verification_};
      cell.inputs["selection"] = {selection_};
    }
    add(std::move(cell));
  }

  /// Whether a name stands anywhere in some parameters.
  static bool names(const Json& params, const std::string& name) {
    if (params.is_string()) return params == name;
    return params.is_structured() &&
           std::any_of(params.begin(), params.end(),
                       [&](const Json& value) { return names(value, name); });
  }

  /// The runs whose scores the comparison has; none of the control's.
  std::vector<std::size_t> attributed_runs(const std::string& algorithm) const {
    std::vector<std::size_t> out;
    if (const auto found = attributions_.find(algorithm); found != attributions_.end()) {
      for (const std::size_t scores : plan_.cells[found->second].inputs.at("run_scores"))
        out.push_back(plan_.cells[scores].inputs.at("run").front());
    }
    return out;
  }

  /// The runs that are attributed, or as many as the evaluation wants if that is more; none where it
  /// wants none.
  std::vector<std::size_t> evaluated_runs(const std::string& algorithm, const Json& evaluation,
                                          const Json& traits) {
    const std::int64_t wanted = wanted_runs(algorithm, evaluation, traits);
    if (wanted == 0) return {};
    std::vector<std::size_t> runs = attributed_runs(algorithm);
    for (auto i = static_cast<std::int64_t>(runs.size()); i < wanted; ++i)
      runs.push_back(add_run(algorithm, "attribute", i, {}));
    return runs;
  }

  /// The trait `run_count` is a number or the parameter that holds one, the same for every algorithm;
  /// or has one for each parameter that names an algorithm, and then no other algorithm is asked
  /// for: {"before": 1, "without": "runs"}. One run without the trait.
  static std::int64_t wanted_runs(const std::string& algorithm, const Json& evaluation,
                                  const Json& traits) {
    const auto number = [&](const Json& count) {
      return (count.is_string() ? evaluation.at(count.get<std::string>()) : count)
          .get<std::int64_t>();
    };
    const Json count = traits.value("run_count", Json(1));
    if (!count.is_object()) return number(count);
    std::int64_t wanted = 0;
    for (const auto& [key, of_reference] : count.items()) {
      if (evaluation.at(key) == algorithm) wanted = std::max(wanted, number(of_reference));
    }
    return wanted;
  }

  /// What runs on random subsets answer on the queries: the truth that scores are judged by.
  std::vector<std::size_t> add_measurements(const std::string& algorithm, const Json& evaluation) {
    const auto subsets = evaluation.at("subsets").get<std::int64_t>();
    const auto replicates = evaluation.at("replicates").get<std::int64_t>();
    std::vector<std::size_t> out;
    for (std::int64_t start = 0; start < subsets * replicates; start += kRunsOfMeasurementsCell) {
      Cell cell;
      cell.kind = "measurements";
      cell.label = fmt::format("answers of algorithm {} on subsets, from {}", algorithm, start);
      cell.config = add_config({{"measurement", description_.at("measurement")}});
      cell.inputs = {{"dataset", {dataset_}}, {"split", {split_}}};
      for (std::int64_t i = start;
           i < std::min(start + kRunsOfMeasurementsCell, subsets * replicates); ++i) {
        const Subset subset{evaluation.at("keep").get<double>(), "fixed", i / replicates};
        cell.inputs["runs"].push_back(add_run(algorithm, "judge", i, {}, &subset, i % replicates));
      }
      out.push_back(add(std::move(cell)));
    }
    return out;
  }

  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  const Json& description_;
  SchemaInfo schema_;
  const PluginRegistry& plugins_;
  const DataSearch& data_;
  DigestCache& digests_;
  std::uint64_t seed_;
  Plan plan_;
  std::map<std::string, std::size_t> config_index_, cell_index_, run_configs_, datasets_,
      attributions_;
  std::size_t dataset_ = kNone, preflight_ = kNone, split_ = kNone, comparison_ = kNone,
              selection_ = kNone, verification_ = kNone;
  std::vector<std::size_t> proposals_;
};

}  // namespace

std::vector<std::size_t> Plan::needs(std::size_t cell) const {
  std::vector<std::size_t> out = cells[cell].after;
  for (const auto& [name, indices] : cells[cell].inputs)
    out.insert(out.end(), indices.begin(), indices.end());
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::vector<RunReference> run_references(const Json& params, const SchemaInfo& schema) {
  std::vector<RunReference> out;
  const auto append = [&](const Json& value, const SchemaInfo& fields) {
    const std::vector<RunReference> found = run_references(value, fields);
    out.insert(out.end(), found.begin(), found.end());
  };
  for (const FieldInfo& field : schema.fields) {
    const auto at = params.find(field.name);
    if (at == params.end() || at->is_null()) continue;
    if (field.type == FieldInfo::Type::reference && field.section == "algorithms") {
      if (at->get<std::string>().empty()) continue;
      RunReference& reference = out.emplace_back();
      reference.algorithm = at->get<std::string>();
      reference.count = params.value("runs", std::int64_t{1});
      if (const auto run = params.find("run"); run != params.end() && !run->is_null())
        reference.run = run->get<std::int64_t>();
    } else if (field.type == FieldInfo::Type::object) {
      append(*at, *field.fields);
    } else if (field.type == FieldInfo::Type::list &&
               field.element->type == FieldInfo::Type::object) {
      for (const Json& item : *at) append(item, *field.element->fields);
    }
  }
  return out;
}

Json identity_of(const Plan& plan, const Cell& cell) {
  Json inputs = Json::object();
  for (const auto& [name, indices] : cell.inputs) {
    Json& keys = inputs[name] = Json::array();
    for (const std::size_t index : indices) keys.push_back(plan.cells[index].key.text());
  }
  return {{"artifact_schema", kArtifactSchema},
          {"kind", cell.kind},
          {"config", plan.configs[cell.config]},
          {"own", cell.own},
          {"inputs", inputs},
          {"build", plan.abi_tag},
          {"device", "cpu"}};
}

Plan make_plan(const Experiment& experiment, const PluginRegistry& plugins, const DataSearch& data,
               DigestCache& digests) {
  if (auto errors = unmet_preconditions(experiment, plugins, data); !errors.empty())
    throw ConfigError(std::move(errors));
  return PlanBuilder(experiment, plugins, data, digests).build();
}

}  // namespace modeldiff
