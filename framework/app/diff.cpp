#include <fmt/format.h>

#include <cmath>

#include "app/flat.h"
#include "app/results.h"
#include "app/table.h"
#include "app/tensor_summary.h"
#include "app/verbs.h"
#include "config/key_path.h"
#include "report/result.h"

namespace modeldiff {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kValueWidth = 40;
constexpr std::size_t kPathWidth = 100;

struct DiffArguments {
  std::string a, b;
  bool all = false;
};

enum class Subject { experiment, result, artifact };

Subject subject_of(const std::string& text) {
  if (is_result(text)) return Subject::result;
  if (fs::is_regular_file(text)) return Subject::experiment;
  if (!fs::exists(text) && is_key_start(text)) return Subject::artifact;
  throw UsageError(fmt::format(
      "'{}' is no experiment file, no folder of results with a result.json, and no start of "
      "a key",
      text));
}

std::string value_text(const Json& value) {
  if (value.is_discarded()) return "(none)";
  if (value.is_number_float()) return fmt::format("{:.6g}", value.get<double>());
  return shortened(value.is_string() ? value.get<std::string>() : value.dump(), kValueWidth);
}

Json or_null(const Json& value) { return value.is_discarded() ? Json() : value; }

/// Where the value comes from: a place in a file, or the default.
std::string origin_of(const Experiment& experiment, const Difference& difference,
                      const Json& value) {
  if (value.is_discarded()) return "";
  const auto parts = split_key_path(difference.path);
  const Value* const found = parts ? find_key_path(experiment.root, *parts) : nullptr;
  if (!found || !found->where().known()) return "default";
  const std::string file = found->where().file, from_here = fs::proximate(file).string();
  return fmt::format("{}:{}", from_here.size() < file.size() ? from_here : file,
                     found->where().line);
}

Experiment load_one(const Globals& globals, const PluginRegistry& plugins,
                    const std::string& file) {
  ExperimentArguments arguments;
  arguments.file = file;
  std::vector<Experiment> experiments = arguments.load(globals, plugins);
  if (experiments.size() > 1) {
    globals.console().note(
        fmt::format("{} is a sweep of {} experiments; its first, {}, is compared", file,
                    experiments.size(), experiments.front().name));
  }
  return std::move(experiments.front());
}

/// List items by their index, so that a path leads to the place in the file.
std::vector<Difference> description_differences(const Json& a, const Json& b) {
  std::vector<Difference> out = differences(a.flatten(), b.flatten());
  for (Difference& difference : out) {
    std::string path;
    const Json::json_pointer pointer(difference.path);
    for (Json::json_pointer at = pointer; !at.empty(); at.pop_back()) {
      const std::string& part = at.back();
      const bool index = part.find_first_not_of("0123456789") == std::string::npos;
      path = (index ? "[" + part + "]" : "." + part) + path;
    }
    difference.path = path.substr(path.starts_with('.') ? 1 : 0);
  }
  return out;
}

int diff_experiments(const Globals& globals, const DiffArguments& arguments) {
  const Console console = globals.console();
  const PluginRegistry plugins = globals.plugins();
  const Experiment a = load_one(globals, plugins, arguments.a),
                   b = load_one(globals, plugins, arguments.b);
  Json rows = Json::array();
  TextTable table({"key", "A", "from", "B", "from"});
  for (const Difference& difference : description_differences(a.description, b.description)) {
    const std::string from_a = origin_of(a, difference, difference.a),
                      from_b = origin_of(b, difference, difference.b);
    rows.push_back({{"path", difference.path},
                    {"a", or_null(difference.a)},
                    {"a_from", from_a},
                    {"b", or_null(difference.b)},
                    {"b_from", from_b}});
    table.add({shortened(difference.path, kPathWidth), value_text(difference.a), from_a,
               value_text(difference.b), from_b});
  }
  if (globals.json) {
    console.result(Json{{"equal", rows.empty()}, {"differences", rows}}.dump(2));
  } else if (rows.empty()) {
    console.result("the two describe the same experiment");
  } else {
    table.print(console);
  }
  return kDone;
}

/// The parts of a result that hold numbers found, without where they come from.
Json numbers_of(Json result) {
  for (const char* part :
       {"description", "provenance", "question", "experiment", "exhibits", "missing"})
    result.erase(part);
  return result;
}

int diff_results(const Globals& globals, const DiffArguments& arguments) {
  const Console console = globals.console();
  const Json a = read_result(arguments.a), b = read_result(arguments.b);
  Json rows = Json::array();
  TextTable table({"number", ">A", ">B", ">B - A"});
  std::map<std::string, Json> of_b;
  for (auto& [path, value] : flat_values(numbers_of(b))) of_b[path] = value;
  const auto add = [&](const std::string& path, const Json& x, const Json& y) {
    const bool both = x.is_number() && y.is_number();
    const Json change = both ? Json(y.get<double>() - x.get<double>()) : Json();
    rows.push_back({{"path", path}, {"a", or_null(x)}, {"b", or_null(y)}, {"change", change}});
    table.add({shortened(path, kPathWidth), value_text(x), value_text(y),
               both ? fmt::format("{:+.4g}", change.get<double>()) : ""});
  };
  const Json none(Json::value_t::discarded);
  for (const auto& [path, value] : flat_values(numbers_of(a))) {
    const auto at = of_b.find(path);
    const Json other = at == of_b.end() ? none : at->second;
    if (at != of_b.end()) of_b.erase(at);
    if ((value.is_number() || other.is_number()) && (arguments.all || value != other))
      add(path, value, other);
  }
  for (const auto& [path, value] : of_b) {
    if (value.is_number()) add(path, none, value);
  }
  if (globals.json) {
    console.result(Json{{"equal", numbers_of(a) == numbers_of(b)}, {"numbers", rows}}.dump(2));
    return kDone;
  }
  for (const auto& [name, path, result] :
       {std::tie("A", arguments.a, a), std::tie("B", arguments.b, b)}) {
    console.result(fmt::format("{} {}", console.bold(name), path));
    for (const std::string& line : verdict(result)) console.result("  " + line);
  }
  console.result("");
  if (rows.empty()) {
    console.result("all numbers are equal");
  } else {
    table.print(console);
  }
  return kDone;
}

/// Rows of {what, a, b} about the files of two artifacts.
void compare_tensors(const Artifact& a, const Artifact& b, const std::string& file, Json& rows) {
  const SafetensorsFile of_a = a.tensors(file), of_b = b.tensors(file);
  std::map<std::string, std::pair<const TensorView*, const TensorView*>> tensors;
  for (const auto& [name, tensor] : of_a.tensors()) tensors[name].first = &tensor;
  for (const auto& [name, tensor] : of_b.tensors()) tensors[name].second = &tensor;
  for (const auto& [name, pair] : tensors) {
    const auto form = [](const TensorView* tensor) {
      return tensor ? fmt::format("{} {}", name_of(tensor->dtype), shape_text(*tensor)) : "(none)";
    };
    Json row{{"tensor", file + "/" + name},
             {"a", form(pair.first)},
             {"b", form(pair.second)},
             {"largest_difference", nullptr}};
    if (row.at("a") == row.at("b"))
      row["largest_difference"] = largest_difference(*pair.first, *pair.second);
    rows.push_back(std::move(row));
  }
}

int diff_artifacts(const Globals& globals, const DiffArguments& arguments) {
  const Console console = globals.console();
  const Store store(globals.store);
  const Artifact a = find_artifact(store, arguments.a), b = find_artifact(store, arguments.b);
  Json identity = Json::array(), tensors = Json::array(), files = Json::array();
  TextTable why({"made from", "A", "B"});
  for (const Difference& difference : differences(a.description(), b.description())) {
    identity.push_back(
        {{"path", difference.path}, {"a", or_null(difference.a)}, {"b", or_null(difference.b)}});
    why.add({difference.path, value_text(difference.a), value_text(difference.b)});
  }
  std::map<std::string, std::pair<std::string, std::string>> digests;
  for (const ArtifactFile& file : a.files()) digests[file.name].first = file.sha256;
  for (const ArtifactFile& file : b.files()) digests[file.name].second = file.sha256;
  for (const auto& [name, pair] : digests) {
    const bool both = !pair.first.empty() && !pair.second.empty();
    const char* const state = !both ? pair.first.empty() ? "only in B" : "only in A"
                              : pair.first == pair.second ? "equal"
                                                          : "differs";
    files.push_back({{"file", name}, {"state", state}});
    if (both && pair.first != pair.second && name.ends_with(".safetensors"))
      compare_tensors(a, b, name, tensors);
  }
  if (globals.json) {
    console.result(Json{
        {"a", a.key().text()},
        {"b", b.key().text()},
        {"equal", a.digest() == b.digest()},
        {"identity", identity},
        {"files", files},
        {"tensors",
         tensors}}.dump(2));
    return kDone;
  }
  console.result(fmt::format("A {}  {}: {}\nB {}  {}: {}\n", a.key().brief(), a.kind(), label_of(a),
                             b.key().brief(), b.kind(), label_of(b)));
  if (!why.empty()) why.print(console);
  TextTable table({"file", "", ""});
  for (const Json& file : files) table.add({file.at("file"), file.at("state"), ""});
  for (const Json& row : tensors) {
    const Json& largest = row.at("largest_difference");
    table.add({"  " + row.at("tensor").get<std::string>(),
               row.at("a") == row.at("b") ? row.at("a").get<std::string>()
                                          : fmt::format("{} and {}", row.at("a").get<std::string>(),
                                                        row.at("b").get<std::string>()),
               largest.is_number() ? fmt::format("largest difference {:.4g}", largest.get<double>())
                                   : ""});
  }
  console.result("");
  table.print(console);
  return kDone;
}

int diff(const Globals& globals, const DiffArguments& arguments) {
  const Subject a = subject_of(arguments.a), b = subject_of(arguments.b);
  if (a != b) {
    constexpr const char* kNames[] = {"an experiment file", "a result", "the key of an artifact"};
    throw UsageError(fmt::format("two of one sort can be compared; '{}' is {} and '{}' is {}",
                                 arguments.a, kNames[static_cast<int>(a)], arguments.b,
                                 kNames[static_cast<int>(b)]));
  }
  switch (a) {
    case Subject::experiment:
      return diff_experiments(globals, arguments);
    case Subject::result:
      return diff_results(globals, arguments);
    case Subject::artifact:
      return diff_artifacts(globals, arguments);
  }
  return kOurBug;
}

}  // namespace

void add_diff(CLI::App& app, const Globals& globals, int& exit_code) {
  auto arguments = std::make_shared<DiffArguments>();
  CLI::App* verb = with_example(
      app.add_subcommand(
          "diff", "Print what differs between two experiment files, two results or two artifacts"),
      "modeldiff diff experiments/quickstart.yaml experiments/quickstart_datamodels.yaml");
  verb->add_option("a", arguments->a,
                   "An experiment file, a folder of results, or the start of a key")
      ->required()
      ->type_name("FILE|RESULT|KEY");
  verb->add_option("b", arguments->b, "Another of the same sort")
      ->required()
      ->type_name("FILE|RESULT|KEY");
  verb->add_flag("--all", arguments->all, "Results: equal numbers too");
  verb->callback([=, &globals, &exit_code] { exit_code = diff(globals, *arguments); });
}

}  // namespace modeldiff
