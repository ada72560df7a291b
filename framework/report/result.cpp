#include "report/result.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <thread>

#include "report/measured_seconds.h"

namespace modeldiff {
namespace {

class Collector {
 public:
  Collector(const Plan& plan, const Store& store) : plan_(plan), store_(store) {}

  /// The JSON file of the one cell of a kind, with its key; null when it was not made.
  Json file(const std::string& kind, const std::string& name) const {
    for (const Cell& cell : plan_.cells) {
      if (cell.kind == kind) return file(cell, name);
    }
    return nullptr;
  }

  Json file(const Cell& cell, const std::string& name) const {
    if (!store_.contains(cell.key)) return nullptr;
    Json out = store_.open(cell.key).json(name);
    out["artifact"] = cell.key.text();
    return out;
  }

  template <typename Use>
  void each(const std::string& kind, Use&& use) const {
    for (const Cell& cell : plan_.cells) {
      if (cell.kind == kind) use(cell);
    }
  }

 private:
  const Plan& plan_;
  const Store& store_;
};

std::string processor_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

Json provenance(const Plan& plan) {
  utsname system{};
  ::uname(&system);
  Json plugins = Json::object();
  const auto note = [&](const Json& config) {
    if (config.is_object() && config.contains("plugin") && config.contains("plugin_version")) {
      plugins[config.at("plugin").get<std::string>()] = config.at("plugin_version");
    }
  };
  for (const Json& config : plan.configs) {
    note(config);
    if (!config.is_object()) continue;
    for (const auto& [key, value] : config.items()) note(value);
  }
  return {{"build", plan.abi_tag},
          {"processor", processor_name()},
          {"cores", std::thread::hardware_concurrency()},
          {"system", fmt::format("{} {}", system.sysname, system.release)},
          {"plugins", plugins},
          {"data", plan.data_paths},
          {"seed", plan.description.at("seed")},
          {"threads_per_worker", 1}};
}

std::string percent(const Json& value) { return fmt::format("{:+.1f}", 100 * value.get<double>()); }

std::string effect_text(const Json& effect) {
  return fmt::format("{} points [{:.1f}, {:.1f}]", percent(effect.at("estimate")),
                     100 * effect.at("lower").get<double>(),
                     100 * effect.at("upper").get<double>());
}

}  // namespace

bool stands_in_result(const std::string& kind) {
  constexpr const char* kKinds[] = {"dataset",    "preflight", "split",        "attribution",
                                    "comparison", "selection", "verification", "evaluation"};
  return std::find(std::begin(kKinds), std::end(kKinds), kind) != std::end(kKinds);
}

Json collect_result(const Plan& plan, const Store& store, const std::vector<MissingCell>& missing,
                    const std::vector<Expectation>& expectations) {
  const Collector collect(plan, store);
  MeasuredSeconds seconds(store);
  Json result{{"experiment", plan.experiment},
              {"question", plan.description.at("question")},
              {"description", plan.description},
              {"provenance", provenance(plan)}};
  result["dataset"] = collect.file("dataset", "facts.json");
  result["split"] = collect.file("split", "split.json");
  const Json preflight = collect.file("preflight", "preflight.json");
  result["algorithms"] = preflight.is_object() ? preflight.at("algorithms") : Json::object();
  collect.each("attribution", [&](const Cell& cell) {
    result["attribute"][cell.label] = collect.file(cell, "attribution.json");
  });
  if (Json compare = collect.file("comparison", "comparison.json"); !compare.is_null())
    result["compare"] = std::move(compare);
  if (Json screen = collect.file("selection", "selection.json"); !screen.is_null())
    result["screen"] = std::move(screen);
  if (Json verify = collect.file("verification", "verification.json"); !verify.is_null())
    result["verify"] = std::move(verify);
  collect.each("evaluation", [&](const Cell& cell) {
    const Json evaluation = seconds.filled(collect.file(cell, "evaluation.json"));
    if (evaluation.is_null()) return;
    Json entry = evaluation.at("values");
    entry["artifact"] = evaluation.at("artifact");
    const auto name = plan.configs[cell.config].at("plugin").get<std::string>();
    result["evaluate"][name] = std::move(entry);
    result["exhibits"][name] = {{"summary", evaluation.at("summary")},
                                {"exhibits", evaluation.at("exhibits")}};
  });
  result["missing"] = Json::array();
  for (const MissingCell& cell : missing) {
    result["missing"].push_back(
        {{"cell", plan.cells[cell.cell].label}, {"kind", cell.kind}, {"message", cell.message}});
  }
  Json expect = Json::array();
  for (const ExpectationResult& row : evaluate_expectations(expectations, result)) {
    expect.push_back({{"path", row.path},
                      {"condition", row.condition},
                      {"found", row.found},
                      {"holds", row.holds},
                      {"note", row.note}});
  }
  result["expect"] = std::move(expect);
  return result;
}

std::string name_in_dataset(const Json& result, const char* list, std::int64_t index) {
  const Json& names = result.at("dataset").at(list);
  return static_cast<std::size_t>(index) < names.size()
             ? names[static_cast<std::size_t>(index)].get<std::string>()
             : fmt::format("{}", index);
}

std::string claim_in_words(std::string claim, const std::vector<std::string>& between) {
  for (const auto& [word, name] :
       {std::pair{"first", between[0]}, std::pair{"second", between[1]}}) {
    if (const std::size_t at = claim.find(word); at != std::string::npos)
      claim.replace(at, std::string(word).size(), name);
  }
  return claim;
}

std::vector<std::string> verdict(const Json& result) {
  std::vector<std::string> lines;
  if (const auto compare = result.find("compare"); compare != result.end()) {
    const auto a = compare->at("of").get<std::string>(),
               b = compare->at("against").get<std::string>();
    const double p = compare->at("p_value").get<double>(),
                 reverse = compare->at("p_value_reverse").get<double>();
    std::string line = fmt::format(
        "{} and {} {} the training data: p = {:.3f} ({} without {}), p = {:.3f} ({} without {})", a,
        b,
        std::min(p, reverse) <= 0.05 ? "differ in how they use"
                                     : "show no difference in how they use",
        p, a, b, reverse, b, a);
    if (compare->contains("control"))
      line += fmt::format("; {} against itself: p = {:.3f}", a,
                          compare->at("control").at("p_value").get<double>());
    lines.push_back(line + ".");
  }
  if (const auto verify = result.find("verify"); verify != result.end()) {
    const auto names = verify->at("between").get<std::vector<std::string>>();
    const auto discoveries = verify->at("discoveries").get<std::int64_t>();
    if (discoveries == 0 || !verify->contains("best")) {
      lines.push_back(
          fmt::format("No transformation separates {} from {}: 0 of {} tested are discoveries.",
                      names[0], names[1], verify->at("tested").get<std::int64_t>()));
    } else {
      const Json& best = verify->at("best");
      const Json& of_a = best.at("effect").at(names[0]);
      const Json& of_b = best.at("effect").at(names[1]);
      const auto claim = best.at("claim").get<std::string>();
      const bool first = claim.starts_with("first");
      const std::string& who = first ? names[0] : names[1];
      const std::string& other = first ? names[1] : names[0];
      const std::string not_other = claim.ends_with("does not")
                                        ? fmt::format("; {} does not", other)
                                        : fmt::format(" more than {}", other);
      lines.push_back(fmt::format(
          "{} relies on '{}' for class {}{}: {} against {}, n = {} models x {} images, adjusted p "
          "= {:.2g}.",
          who, best.at("label").get<std::string>(), best.at("target_class_name").get<std::string>(),
          not_other, effect_text(first ? of_a : of_b), effect_text(first ? of_b : of_a),
          verify->at("runs").at(names[0]).get<std::int64_t>(),
          verify->at("images").get<std::int64_t>(), best.at("adjusted_p_value").get<double>()));
      if (const Json& placebo = best.at("placebo"); placebo.is_object() &&
                                                    placebo.at("lower").get<double>() <= 0 &&
                                                    placebo.at("upper").get<double>() >= 0) {
        lines.push_back(fmt::format(
            "That it is the shape is not shown: beyond its placebo, which has the pixels without "
            "their meaning, the difference is {}.",
            effect_text(placebo)));
      }
      lines.push_back(fmt::format(
          "{} of {} tested transformations are discoveries (false discovery rate {}){}.",
          discoveries, verify->at("tested").get<std::int64_t>(),
          verify->at("false_discovery_rate").get<double>(),
          verify->contains("control")
              ? fmt::format("; {} against itself: {}", names[0],
                            verify->at("control").at("discoveries").get<std::int64_t>())
              : std::string()));
    }
  }
  if (const auto exhibits = result.find("exhibits"); exhibits != result.end()) {
    for (const auto& [name, entry] : exhibits->items()) {
      if (const auto summary = entry.at("summary").get<std::string>(); !summary.empty())
        lines.push_back(summary);
    }
  }
  if (!result.at("missing").empty())
    lines.push_back(fmt::format("{} parts are missing; see below.", result.at("missing").size()));
  for (const Json& row : result.at("expect")) {
    if (!row.at("holds").get<bool>()) {
      lines.push_back(fmt::format("Expected {} {}, found {}.", row.at("path").get<std::string>(),
                                  row.at("condition").get<std::string>(), row.at("found").dump()));
    }
  }
  return lines;
}

}  // namespace modeldiff
