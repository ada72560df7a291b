#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "config/catalog.h"
#include "modeldiff/core/plugin.h"
#include "plugin_host/manifest.h"

/// Finds plugin libraries, checks them without loading, loads those that are asked for.
namespace modeldiff {

/// Where plugins are looked for, in this order: `from_command_line`, the folders of
/// MODELDIFF_PLUGIN_PATH (colon separated), ./plugins, plugins/ in the user's data folder, and
/// beside the program, as built or as installed. Those that exist, each once.
/// @throws ConfigError on a folder of the command line that does not exist
std::vector<std::filesystem::path> plugin_folders(
    const std::vector<std::filesystem::path>& from_command_line);

/// A library that was found and is not used.
struct UnusablePlugin {
  std::filesystem::path file;
  /// Empty when the manifest could not be read.
  std::string kind, name;
  std::string reason;
};

class PluginRegistry final : public PluginCatalog {
 public:
  /// Reads the manifests of all *.so under the folders. Libraries without a manifest are passed
  /// over: they may be what a plugin needs.
  /// @param host_abi_tag the program's MODELDIFF_ABI_TAG; a plugin with another text is listed as
  /// unusable
  /// @throws PluginError naming both files when two usable libraries have one kind and name
  PluginRegistry(std::vector<std::filesystem::path> folders, std::string host_abi_tag);

  const std::vector<std::filesystem::path>& folders() const { return folders_; }
  const std::string& host_abi_tag() const { return host_abi_tag_; }
  /// Sorted by kind, in the order of kPluginKinds, and name.
  std::vector<const PluginManifest*> plugins() const;
  const std::vector<UnusablePlugin>& unusable() const { return unusable_; }

  /// nullptr when there is no such plugin.
  /// @throws PluginError when there is one that cannot be used, with the reason
  const PluginManifest* find(const std::string& kind, const std::string& name) const;
  const SchemaInfo* find_schema(const std::string& kind, const std::string& name) const override;
  std::vector<std::string> names(const std::string& kind) const override;

  /// Loads the library, once for the process; it stays until exit.
  /// @throws PluginError with the system's text when it does not load, and when it is not what its
  /// manifest says
  const PluginInfo& load(const std::string& kind, const std::string& name);
  /// @param params checked and complete
  /// @throws PluginError with the plugin's name, version and file around whatever its factory
  /// throws; Interrupted
  ///         and ConfigError, which names the key to mend, pass through
  std::unique_ptr<Plugin> create(const std::string& kind, const std::string& name,
                                 const Json& params);

 private:
  using Id = std::pair<std::string, std::string>;

  void add(const std::filesystem::path& file);
  const PluginManifest& require(const std::string& kind, const std::string& name) const;
  const PluginInfo* load_library(const PluginManifest& manifest) const;

  std::vector<std::filesystem::path> folders_;
  std::string host_abi_tag_;
  std::map<Id, PluginManifest> usable_;
  std::vector<UnusablePlugin> unusable_;
  std::mutex loading_;
  std::map<Id, const PluginInfo*> loaded_;
};

}  // namespace modeldiff
