#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "modeldiff/algorithm.h"
#include "modeldiff/dataset.h"
#include "modeldiff/plugin_factory.h"
#include "plugin_host/plugin_registry.h"
#include "store/data_search.h"

/// The plugin whose contract is checked.
namespace modeldiff::contract {

/// What a plugin is tried on: one set of its parameters and the data around it.
struct Case {
  /// Complete, with the plugin's own name under `plugin`.
  Json params;
  std::vector<std::int64_t> input_shape;
  std::int64_t outputs = 0;
  /// Runs that an algorithm is given, by the name of an entry of the file's `algorithms`.
  std::map<std::string, std::int64_t> inputs;

  bool images() const { return input_shape.size() == 3; }
};

class Subject final : public PluginFactory, public Resources {
 public:
  /// @param library of the plugin
  /// @param cases   a file with `cases` and, where an algorithm takes runs of others, `algorithms`;
  /// empty: one case,
  ///                the plugin's defaults
  /// @param folders more folders with plugins and with data
  /// @throws PluginError when the library is no plugin for this program; ConfigError on the file of
  /// cases
  Subject(const std::filesystem::path& library, const std::filesystem::path& cases,
          const std::vector<std::filesystem::path>& plugin_folders,
          std::vector<std::filesystem::path> data_folders);

  const PluginManifest& manifest() const { return manifest_; }
  const std::vector<Case>& cases() const { return cases_; }
  /// An entry of the file's `algorithms`.
  const PluginChoice& algorithm(const std::string& name) const { return algorithms_.at(name); }

  /// @param changes keys that differ from those of the case
  template <typename T>
  std::unique_ptr<T> make(const Case& some, const Json& changes = Json::object()) const {
    Json params = some.params;
    params.update(changes);
    return create_as<T>(manifest_.kind, {manifest_.name, params});
  }

  std::unique_ptr<Plugin> create(const std::string& kind,
                                 const PluginChoice& choice) const override;
  std::filesystem::path resolve(const DataPath& path) const override;

 private:
  mutable PluginRegistry plugins_;
  PluginManifest manifest_;
  DataSearch data_;
  std::vector<Case> cases_;
  std::map<std::string, PluginChoice> algorithms_;
};

/// The one of this process; the laws are stated about it.
const Subject& subject();
void set_subject(std::unique_ptr<Subject> subject);

}  // namespace modeldiff::contract
