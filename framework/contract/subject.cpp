#include "contract/subject.h"

#include <fmt/format.h>

#include "config/check.h"
#include "config/yaml.h"
#include "modeldiff/core/error.h"
#include "modeldiff/plugin.h"

namespace modeldiff::contract {
namespace {

/// What surrounds a plugin in a case; under `on`, as the other keys of a case are the plugin's own.
struct Surroundings {
  std::vector<std::int64_t> input_shape = {1, 12, 12};
  std::int64_t outputs = 3;
  std::map<std::string, std::int64_t> inputs;

  static Schema<Surroundings> schema() {
    using S = Surroundings;
    return Schema<S>("on")
        .field("input_shape", &S::input_shape,
               "Of one example: [channels, height, width], or [columns] of a table.",
               item_count(1, 3), each_item(at_least(1)))
        .field("outputs", &S::outputs, "Classes.", at_least(2))
        .field("inputs", &S::inputs,
               "Runs that the algorithm is given, by the name of an entry of `algorithms`.");
  }
};

struct CaseKeys {
  Surroundings on;

  static Schema<CaseKeys> schema() {
    return Schema<CaseKeys>("case").field("on", &CaseKeys::on,
                                          "The data that the plugin is tried on.");
  }
};

/// The keys of the file are made for the kind of plugin that it is about.
SchemaInfo file_schema(const std::string& kind) {
  struct File {
    std::map<std::string, PluginChoice> algorithms;
    std::vector<PluginChoice> cases;
  };
  return Schema<File>("contract")
      .field("algorithms", &File::algorithms, "Algorithms whose runs the cases start from.",
             plugin_of("algorithms"))
      .required("cases", &File::cases, "Parameters of the plugin.",
                plugin_of(kind, CaseKeys::schema().info()), item_count(1, 100))
      .info();
}

Case read_case(const Json& description) {
  Surroundings on = CaseKeys::schema().read(description).on;
  if (on.input_shape.size() == 2) {
    throw ConfigError(
        "cases", "on.input_shape must be [channels, height, width] or [columns], got 2 numbers");
  }
  return {description, std::move(on.input_shape), on.outputs, std::move(on.inputs)};
}

PluginManifest manifest_for_program(const std::filesystem::path& library) {
  PluginManifest manifest = read_manifest(library, MODELDIFF_ABI_TAG);
  manifest.file = std::filesystem::canonical(library);
  return manifest;
}

std::vector<std::filesystem::path> all_folders(const std::filesystem::path& library,
                                               const std::vector<std::filesystem::path>& more) {
  std::vector<std::filesystem::path> folders = plugin_folders(more);
  folders.push_back(std::filesystem::absolute(library).parent_path());
  return folders;
}

std::unique_ptr<Subject>& instance() {
  static std::unique_ptr<Subject> one;
  return one;
}

}  // namespace

Subject::Subject(const std::filesystem::path& library, const std::filesystem::path& cases,
                 const std::vector<std::filesystem::path>& plugin_folders,
                 std::vector<std::filesystem::path> data_folders)
    : plugins_(all_folders(library, plugin_folders), MODELDIFF_ABI_TAG),
      manifest_(manifest_for_program(library)),
      data_({}) {
  // The registry knows the reason when it cannot be used.
  plugins_.find(manifest_.kind, manifest_.name);
  const DataSearch usual =
      DataSearch::from_environment((std::filesystem::current_path() / cases).parent_path());
  data_folders.insert(data_folders.end(), usual.roots().begin(), usual.roots().end());
  data_ = DataSearch(std::move(data_folders));

  const Value root =
      cases.empty() ? parse_yaml(fmt::format("cases: [{}]", manifest_.name), "the default case")
                    : read_yaml(cases);
  const Json description = checked_description(root, file_schema(manifest_.kind), plugins_);
  for (const Json& item : description.at("cases")) {
    if (item.at("plugin") != manifest_.name) {
      throw ConfigError("cases", fmt::format("must be of the plugin '{}', one is of '{}'",
                                             manifest_.name, item.at("plugin").get<std::string>()));
    }
    cases_.push_back(read_case(item));
  }
  for (const auto& [name, item] : description.at("algorithms").items()) {
    algorithms_.emplace(name, PluginChoice{item.at("plugin").get<std::string>(), item});
  }
  for (const Case& some : cases_) {
    for (const auto& [name, count] : some.inputs) {
      if (!algorithms_.contains(name)) {
        throw ConfigError(
            "cases", fmt::format("on.inputs names '{}', which is no entry of 'algorithms'", name));
      }
    }
  }
}

std::unique_ptr<Plugin> Subject::create(const std::string& kind, const PluginChoice& choice) const {
  return plugins_.create(kind, choice.plugin, choice.params);
}

std::filesystem::path Subject::resolve(const DataPath& path) const {
  return data_.resolve(path.text);
}

const Subject& subject() { return *instance(); }

void set_subject(std::unique_ptr<Subject> subject) { instance() = std::move(subject); }

}  // namespace modeldiff::contract
