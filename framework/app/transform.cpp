#include <fmt/format.h>
#include <stdlib.h>

#include <charconv>

#include "app/image_files.h"
#include "app/results.h"
#include "app/subprocess.h"
#include "app/table.h"
#include "app/verbs.h"
#include "config/nearest.h"
#include "report/result.h"
#include "store/exported_transformation.h"

namespace modeldiff {
namespace {

namespace fs = std::filesystem;

struct TransformArguments {
  fs::path subject;
  std::vector<std::string> rest;
  bool list = false;
  fs::path exported;
};

/// A folder for what the program and its worker hand to each other.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "modeldiff.XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw_storage_error(errno, "create the folder", pattern);
    path_ = pattern;
  }
  ~TemporaryFolder() { remove_quietly(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// The names beside a path that is not there.
std::string neighbour_advice(const fs::path& path) {
  std::vector<std::string> names;
  std::error_code ignored;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : ".";
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    names.push_back(entry.path().filename().string());
  const auto nearest = nearest_name(path.filename().string(), names);
  return nearest ? fmt::format("; did you mean '{}'?",
                               path.has_parent_path() ? (folder / *nearest).string() : *nearest)
                 : "";
}

const Json& claims_of(const Json& result, const fs::path& path) {
  if (!result.contains("verify")) {
    throw DataError(
        fmt::format("'{}' has no verified transformations: its experiment has no section 'verify', "
                    "or did not come so far",
                    path.string()));
  }
  return result.at("verify").at("claims");
}

/// A claim as --list shows it, numbered from 1.
Json entry_of(const Json& claim, std::size_t number) {
  return {{"number", number},
          {"label", claim.at("label")},
          {"family", claim.at("family")},
          {"proposer", claim.at("proposer")},
          {"target_class_name", claim.at("target_class_name")},
          {"claim", claim.at("claim")},
          {"preregistered", claim.at("preregistered")},
          {"effect", claim.at("effect")}};
}

int list(const Globals& globals, const TransformArguments& arguments) {
  const Json result = read_result(arguments.subject);
  const Json& claims = claims_of(result, arguments.subject);
  const auto names = result.at("verify").at("between").get<std::vector<std::string>>();
  const auto points = [](const Json& claim, const std::string& name) {
    return fmt::format("{:+.1f}", 100 * claim.at("effect").at(name).at("estimate").get<double>());
  };
  Json rows = Json::array();
  TextTable table({">", "transformation", "class", ">on " + names[0], ">on " + names[1], "claim"});
  for (const Json& claim : claims) {
    rows.push_back(entry_of(claim, rows.size() + 1));
    const bool preregistered = claim.at("preregistered").get<bool>();
    table.add(
        {fmt::format("{}", rows.size()), claim.at("label"), claim.at("target_class_name"),
         points(claim, names[0]), points(claim, names[1]),
         claim_in_words(claim.at("claim"), names) + (preregistered ? ", preregistered" : "")});
  }
  if (globals.json) {
    globals.console().result(Json{{"between", names}, {"transformations", rows}}.dump(2));
  } else {
    table.print(globals.console());
  }
  return kDone;
}

std::size_t number_of(const std::string& text, std::size_t count) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 1 || number > count) {
    throw UsageError(fmt::format(
        "'{}' is no number of a transformation, 1 to {}; `modeldiff transform RESULT --list` shows "
        "them",
        text, count));
  }
  return number;
}

/// The artifact that the verification read its transformations from.
Artifact selection_of(const Store& store, const Json& result, const fs::path& path) {
  const auto open = [&](const std::string& key) {
    if (!store.contains(Key::parse(key))) {
      throw DataError(fmt::format(
          "the store '{}' does not hold what '{}' was made from (artifact {}); name the "
          "one that does with --store",
          store.root().string(), path.string(), key.substr(0, 12)));
    }
    return store.open(Key::parse(key));
  };
  const Artifact verification = open(result.at("verify").at("artifact"));
  return open(verification.description().at("identity").at("inputs").at("selection").at(0));
}

ExportedTransformation claimed(const Globals& globals, const fs::path& path,
                               const std::string& number) {
  const Json result = read_result(path);
  const Json& claims = claims_of(result, path);
  const Json& claim = claims[number_of(number, claims.size()) - 1];
  const Artifact selection = selection_of(Store(globals.store), result, path);
  ExportedTransformation out;
  out.transformation = claim.at("transformation");
  out.plugin_version = result.at("provenance").at("plugins").value(out.proposer(), std::string());
  out.input_shape = result.at("dataset").at("input_shape").get<std::vector<std::int64_t>>();
  out.claim = {{"experiment", result.at("experiment")},
               {"between", result.at("verify").at("between")},
               {"claim", claim.at("claim")},
               {"target_class_name", claim.at("target_class_name")},
               {"effect", claim.at("effect")}};
  const std::string prefix = fmt::format("{}.", claim.at("selected").get<std::int64_t>());
  const SafetensorsFile file = selection.tensors("transformations.safetensors");
  for (const auto& [name, tensor] : file.tensors()) {
    if (name.starts_with(prefix)) out.tensors.emplace(name.substr(prefix.size()), tensor);
  }
  return out;
}

/// That the proposer is there, and which one it is.
void check_proposer(const Globals& globals, const ExportedTransformation& exported) {
  const PluginRegistry plugins = globals.plugins();
  const PluginManifest* manifest = plugins.find("proposers", exported.proposer());
  if (!manifest) {
    throw PluginError(
        fmt::format("there is no proposer '{}'{}", exported.proposer(),
                    name_advice(exported.proposer(), plugins.names("proposers"), "there are")));
  }
  if (manifest->version != exported.plugin_version) {
    globals.console().note(fmt::format("made by version {} of '{}', applied by version {}",
                                       exported.plugin_version, exported.proposer(),
                                       manifest->version));
  }
}

/// The worker's answer. @return [images, channels, height, width] uint8
SafetensorsFile through_worker(const Globals& globals, const ExportedTransformation& exported,
                               const ImageFiles& images, const fs::path& folder) {
  const std::vector<std::int64_t>& shape = exported.input_shape;
  const fs::path transformation = folder / "transformation.safetensors",
                 before = folder / "before.safetensors", after = folder / "after.safetensors";
  write_exported(transformation, exported);
  write_safetensors(before, {{"images", view_of(DType::u8,
                                                {static_cast<std::int64_t>(images.names.size()),
                                                 shape[0], shape[1], shape[2]},
                                                images.planes.data(), images.planes.size())}});
  std::vector<std::string> command{globals.worker().string(), "--transform",
                                   transformation.string(), before.string(), after.string()};
  const PluginRegistry plugins = globals.plugins();
  for (const fs::path& plugin_folder : plugins.folders()) command.push_back(plugin_folder.string());
  const ProgramOutput output = run_program(command, /*capture=*/false);
  if (output.exit_code != 0) {
    throw PluginError(fmt::format("'{}' could not be applied: the worker ended with exit code {}",
                                  exported.label(), output.exit_code));
  }
  return SafetensorsFile(after);
}

int apply(const Globals& globals, const ExportedTransformation& exported, const fs::path& from,
          const fs::path& to) {
  check_proposer(globals, exported);
  std::error_code ignored;
  if (fs::equivalent(from, to, ignored))
    throw UsageError("the changed images need a folder of their own");
  const std::int64_t channels = exported.input_shape[0], height = exported.input_shape[1],
                     width = exported.input_shape[2];
  if (channels != 1 && channels != 3) {
    throw DataError(fmt::format("'{}' is for images of {} channels, and image files have 1 or 3",
                                exported.label(), channels));
  }
  const ImageFiles images = read_image_files(from, channels, height, width);
  const TemporaryFolder folder;
  const SafetensorsFile answer = through_worker(globals, exported, images, folder.path());
  write_image_files(to, images.names,
                    reinterpret_cast<const std::uint8_t*>(answer.tensor("images").data), channels,
                    height, width);
  if (globals.json) {
    globals.console().result(Json{
        {"transformation", exported.transformation},
        {"images", images.names.size()},
        {"resized", images.resized},
        {"folder", to.string()}}.dump(2));
  } else {
    globals.console().result(fmt::format(
        "{}: {} images in '{}'{}", exported.label(), images.names.size(), to.string(),
        images.resized > 0 ? fmt::format(", {} of them resized to {} x {}, the data set's size",
                                         images.resized, height, width)
                           : ""));
  }
  return kDone;
}

int transform(const Globals& globals, const TransformArguments& arguments) {
  const bool result = is_result(arguments.subject);
  const auto usage = [&] {
    return UsageError(
        "modeldiff transform takes RESULT --list, RESULT NUMBER FROM TO, RESULT NUMBER --export "
        "FILE, or FILE FROM TO");
  };
  if (!fs::exists(arguments.subject)) {
    throw UsageError(
        fmt::format("'{}' is neither a folder of results nor the file of a transformation{}",
                    arguments.subject.string(), neighbour_advice(arguments.subject)));
  }
  std::vector<std::string> rest = arguments.rest;
  if (arguments.list) {
    if (!result || !rest.empty()) throw usage();
    return list(globals, arguments);
  }
  if (result && rest.empty()) throw usage();
  const ExportedTransformation exported =
      result ? claimed(globals, arguments.subject, rest.front()) : read_exported(arguments.subject);
  if (result) rest.erase(rest.begin());
  if (!arguments.exported.empty()) {
    if (!result || !rest.empty()) throw usage();
    write_exported(arguments.exported, exported);
    globals.console().result(
        globals.json ? Json{{"transformation", exported.transformation},
                            {"file", arguments.exported.string()}}
                           .dump(2)
                     : fmt::format("{}: '{}'", exported.label(), arguments.exported.string()));
    return kDone;
  }
  if (rest.size() != 2) throw usage();
  return apply(globals, exported, rest[0], rest[1]);
}

}  // namespace

void add_transform(CLI::App& app, const Globals& globals, int& exit_code) {
  auto arguments = std::make_shared<TransformArguments>();
  CLI::App* verb = with_example(
      app.add_subcommand("transform",
                         "Apply a verified transformation to the images of a folder, or export it"),
      "modeldiff transform results/quickstart 1 my_images changed_images");
  verb->add_option("what", arguments->subject, "A folder of results, or a file that --export wrote")
      ->required()
      ->type_name("RESULT|FILE");
  verb->add_option("rest", arguments->rest,
                   "Of results, the transformation's number; then the folder of PNG and JPEG "
                   "images, and the folder for the changed ones, PNG of the data set's size")
      ->expected(0, 3)
      ->type_name("NUMBER FROM TO");
  verb->add_flag("--list", arguments->list, "Print the verified transformations of the results");
  verb->add_option("--export", arguments->exported,
                   "Write the transformation as one file that this verb takes on any machine")
      ->type_name("FILE");
  verb->callback([=, &globals, &exit_code] { exit_code = transform(globals, *arguments); });
}

}  // namespace modeldiff
