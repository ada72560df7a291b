#include <fmt/format.h>

#include "app/flat.h"
#include "app/results.h"
#include "app/table.h"
#include "app/tensor_summary.h"
#include "app/verbs.h"
#include "report/result.h"
#include "store/file_io.h"

namespace modeldiff {
namespace {

constexpr std::size_t kShownInputs = 4;

struct ShowArguments {
  std::string subject, file;
};

std::string number_text(double value) { return fmt::format("{:.6g}", value); }

/// Who made it, when and how long it took: the attempts of all processes know.
Json making_of(const Store& store, const Key& key) {
  Json making;
  for (const Json& line : store.attempts()) {
    if (line.value("key", "") == key.text() && line.contains("seconds")) {
      making = {{"seconds", line.at("seconds")},
                {"time", line.value("time", "")},
                {"host", line.value("host", "")}};
    }
  }
  return making;
}

/// The artifacts it was made from: name -> [{key, kind, label}].
Json inputs_of(const Store& store, const Artifact& artifact) {
  Json out = Json::object();
  const Json identity = artifact.description().value("identity", Json::object());
  const Json inputs = identity.value("inputs", Json::object());
  for (const auto& [name, keys] : inputs.items()) {
    for (const Json& text : keys) {
      const Key key = Key::parse(text.get<std::string>());
      Json input{{"key", key.text()}, {"kind", nullptr}, {"label", "not in the store"}};
      if (store.contains(key)) {
        const Artifact read = store.open(key);
        input["kind"] = read.kind();
        input["label"] = label_of(read);
      }
      out[name].push_back(std::move(input));
    }
  }
  return out;
}

Json tensors_of(const Artifact& artifact, const std::string& file) {
  Json out = Json::object();
  const SafetensorsFile content = artifact.tensors(file);
  for (const auto& [name, tensor] : content.tensors()) {
    const TensorSummary summary = summary_of(tensor);
    out[name] = {{"dtype", name_of(tensor.dtype)}, {"shape", tensor.shape}};
    if (summary.count > summary.not_finite) {
      out[name].update(
          {{"min", summary.minimum}, {"max", summary.maximum}, {"mean", summary.mean}});
    }
    if (summary.not_finite > 0) out[name]["not_finite"] = summary.not_finite;
  }
  return out;
}

Json facts_of(const Store& store, const Artifact& artifact) {
  const Json identity = artifact.description().value("identity", Json::object());
  const std::map<std::string, std::string> experiments = experiments_by_key(store);
  const auto experiment = experiments.find(artifact.key().text());
  Json files = Json::object();
  for (const ArtifactFile& file : artifact.files()) {
    files[file.name] = {{"bytes", file.bytes}, {"sha256", file.sha256}};
    if (file.name.ends_with(".safetensors"))
      files[file.name]["tensors"] = tensors_of(artifact, file.name);
  }
  return {{"key", artifact.key().text()},
          {"kind", artifact.kind()},
          {"label", label_of(artifact)},
          {"experiment", experiment == experiments.end() ? Json() : Json(experiment->second)},
          {"bytes", artifact.bytes()},
          {"folder", store.object_folder(artifact.key()).string()},
          {"made", making_of(store, artifact.key())},
          {"build", identity.value("build", "")},
          {"config", identity.value("config", Json::object())},
          {"own", identity.value("own", Json::object())},
          {"inputs", inputs_of(store, artifact)},
          {"files", files}};
}

void print_inputs(const Console& console, const Json& inputs) {
  if (inputs.empty()) return;
  console.result("\n" + console.bold("made from"));
  TextTable table({"input", "key", "label"});
  for (const auto& [name, items] : inputs.items()) {
    for (std::size_t i = 0; i < items.size() && i < kShownInputs; ++i) {
      table.add({i == 0 ? name : "", items[i].at("key").get<std::string>().substr(0, 12),
                 items[i].at("label")});
    }
    if (items.size() > kShownInputs)
      table.add({"", "", fmt::format("and {} more", items.size() - kShownInputs)});
  }
  table.print(console, 2);
}

void print_files(const Console& console, const Json& files) {
  console.result("\n" + console.bold("files"));
  for (const auto& [name, file] : files.items()) {
    console.result(
        fmt::format("  {}  {}", name, console.dim(bytes_text(file.at("bytes").get<double>()))));
    if (!file.contains("tensors")) continue;
    TextTable table({"tensor", "type", "shape", ">min", ">max", ">mean", ""});
    for (const auto& [tensor, facts] : file.at("tensors").items()) {
      const auto number = [&](const char* what) {
        return facts.contains(what) ? number_text(facts.at(what).get<double>()) : "-";
      };
      table.add({tensor, facts.at("dtype"), facts.at("shape").dump(), number("min"), number("max"),
                 number("mean"),
                 facts.contains("not_finite")
                     ? fmt::format("{} not finite", facts.at("not_finite").get<std::int64_t>())
                     : ""});
    }
    table.print(console, 4);
  }
}

void print_artifact(const Console& console, const Json& facts) {
  const auto text = [&](const char* what) {
    return facts.at(what).is_string() ? facts.at(what).get<std::string>() : "-";
  };
  console.result(fmt::format("{}: {}\n{}", console.bold(text("kind")), text("label"), text("key")));
  const auto fact = [&](const char* name, const std::string& value) {
    console.result(fmt::format("  {:<11} {}", name, value));
  };
  fact("experiment", text("experiment"));
  const Json& made = facts.at("made");
  fact("made", made.is_null() ? "by another store"
                              : fmt::format("{} on {} in {}", made.at("time").get<std::string>(),
                                            made.at("host").get<std::string>(),
                                            duration_text(made.at("seconds").get<double>())));
  fact("size", bytes_text(facts.at("bytes").get<double>()));
  fact("folder", text("folder"));
  fact("build", text("build"));
  std::vector<std::pair<std::string, Json>> values = flat_values(facts.at("config"));
  for (auto& value : flat_values(facts.at("own"))) values.push_back(std::move(value));
  if (!values.empty()) console.result("\n" + console.bold("configuration"));
  for (const auto& [path, value] : values)
    console.result(fmt::format("  {}: {}", path, value.dump()));
  print_inputs(console, facts.at("inputs"));
  print_files(console, facts.at("files"));
}

/// The artifacts that parts of a result come from.
void collect_artifacts(const Json& part, const std::string& path, TextTable& table) {
  if (!part.is_object()) return;
  if (part.contains("artifact") && part.at("artifact").is_string()) {
    table.add({path, part.at("artifact").get<std::string>().substr(0, 12)});
  }
  for (const auto& [name, value] : part.items())
    collect_artifacts(value, path.empty() ? name : path + "." + name, table);
}

int show_result(const Console& console, bool json, const std::filesystem::path& path) {
  const Json result = read_result(path);
  if (json) {
    console.result(result.dump(2));
    return kDone;
  }
  console.result(console.bold(result.at("experiment").get<std::string>()));
  if (const auto question = result.value("question", ""); !question.empty())
    console.result(question);
  console.result("");
  for (const std::string& line : verdict(result)) console.result(line);
  TextTable table({"part", "artifact"});
  collect_artifacts(result, "", table);
  if (!table.empty()) {
    console.result("");
    table.print(console);
  }
  for (const Json& cell : result.at("missing")) {
    console.result(fmt::format("missing: {} ({})", cell.at("cell").get<std::string>(),
                               cell.at("message").get<std::string>()));
  }
  const std::filesystem::path page = result_file(path).parent_path() / "report.html";
  if (std::filesystem::exists(page)) console.result("\n" + page.string());
  return kDone;
}

int show(const Globals& globals, const ShowArguments& arguments) {
  const Console console = globals.console();
  if (is_result(arguments.subject)) return show_result(console, globals.json, arguments.subject);
  if (!is_key_start(arguments.subject)) {
    throw UsageError(fmt::format(
        "'{}' is neither a folder of results, with a result.json, nor a key or the start "
        "of one, of at least 4 digits 0-9 and a-f; `modeldiff store ls` lists the keys",
        arguments.subject));
  }
  const Store store(globals.store);
  const Artifact artifact = find_artifact(store, arguments.subject);
  if (!arguments.file.empty()) {
    std::string text = read_text(artifact.file(arguments.file));
    if (text.ends_with('\n')) text.pop_back();
    console.result(text);
    return kDone;
  }
  const Json facts = facts_of(store, artifact);
  if (globals.json) {
    console.result(facts.dump(2));
  } else {
    print_artifact(console, facts);
  }
  return kDone;
}

}  // namespace

void add_show(CLI::App& app, const Globals& globals, int& exit_code) {
  auto arguments = std::make_shared<ShowArguments>();
  CLI::App* verb = with_example(
      app.add_subcommand("show", "Print what an artifact holds, or what a result says"),
      "modeldiff show 2d9dcb5d1fe9");
  verb->add_option("what", arguments->subject,
                   "The start of an artifact's key, or a folder of results")
      ->required()
      ->type_name("KEY|RESULT");
  verb->add_option("--file", arguments->file, "Print this file of the artifact as it is")
      ->type_name("NAME");
  verb->callback([=, &globals, &exit_code] { exit_code = show(globals, *arguments); });
}

}  // namespace modeldiff
