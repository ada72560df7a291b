#include "plugin_host/plugin_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/dll/shared_library.hpp>
#include <cstdlib>
#include <optional>
#include <set>

#include "config/nearest.h"
#include "modeldiff/core/error.h"
#include "plugin_host/abi_tag.h"
#include "store/data_search.h"

namespace modeldiff {
namespace {

namespace fs = std::filesystem;

/// A library that was loaded is leaked on purpose, and so never unloaded: what a plugin made
/// (tensors with hooks, functions, exceptions) points into its code until the process ends.
void keep_forever(boost::dll::shared_library library) {
  static auto& mutex = *new std::mutex();
  static auto& libraries = *new std::vector<boost::dll::shared_library>();
  const std::scoped_lock lock(mutex);
  libraries.push_back(std::move(library));
}

std::vector<fs::path> libraries_below(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  const auto options = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator at(folder, options, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code gone;
    if (at->path().extension() == ".so" && at->is_regular_file(gone))
      files.push_back(fs::canonical(at->path(), gone));
  }
  if (error)
    throw PluginError(
        fmt::format("cannot look for plugins in '{}': {}", folder.string(), error.message()));
  std::sort(files.begin(), files.end());
  return files;
}

std::string title_of(const PluginManifest& manifest) {
  return fmt::format("plugin '{}' of kind '{}', version {} ('{}')", manifest.name, manifest.kind,
                     manifest.version, manifest.file.string());
}

}  // namespace

std::vector<fs::path> plugin_folders(const std::vector<fs::path>& from_command_line) {
  std::vector<fs::path> candidates = from_command_line;
  for (const fs::path& folder : from_command_line) {
    if (!fs::is_directory(folder)) {
      throw ConfigError("--plugin-path", fmt::format("there is no folder '{}'", folder.string()));
    }
  }
  const char* const listed = std::getenv("MODELDIFF_PLUGIN_PATH");
  for (fs::path& folder : split_path_list(listed ? listed : ""))
    candidates.push_back(std::move(folder));
  candidates.emplace_back("plugins");
  candidates.push_back(user_data_folder() / "plugins");
  std::error_code error;
  if (const fs::path program = fs::read_symlink("/proc/self/exe", error); !error) {
    const fs::path prefix = program.parent_path().parent_path();
    candidates.push_back(prefix / "plugins");
    candidates.push_back(prefix / MODELDIFF_INSTALL_LIBDIR / "modeldiff/plugins");
  }
  std::vector<fs::path> folders;
  for (const fs::path& candidate : candidates) {
    const fs::path folder = fs::canonical(candidate, error);
    if (error || !fs::is_directory(folder, error)) continue;
    if (std::find(folders.begin(), folders.end(), folder) == folders.end())
      folders.push_back(folder);
  }
  return folders;
}

PluginRegistry::PluginRegistry(std::vector<fs::path> folders, std::string host_abi_tag)
    : folders_(std::move(folders)), host_abi_tag_(std::move(host_abi_tag)) {
  std::set<fs::path> seen;
  for (const fs::path& folder : folders_) {
    for (const fs::path& file : libraries_below(folder)) {
      if (seen.insert(file).second) add(file);
    }
  }
}

void PluginRegistry::add(const fs::path& file) {
  std::optional<PluginManifest> manifest;
  try {
    manifest = find_manifest(file, host_abi_tag_);
  } catch (const PluginError& error) {
    unusable_.push_back({file, "", "", error.what()});
    return;
  }
  if (!manifest) return;
  if (manifest->abi_tag != host_abi_tag_) {
    std::string reason = abi_mismatch_text(manifest->abi_tag, host_abi_tag_);
    unusable_.push_back({file, manifest->kind, manifest->name, std::move(reason)});
    return;
  }
  const Id id{manifest->kind, manifest->name};
  const auto [at, is_new] = usable_.try_emplace(id, *std::move(manifest));
  if (is_new) return;
  throw PluginError(fmt::format(
      "two libraries are the plugin '{}' of kind '{}':\n  {}\n  {}\nremove one, or leave its "
      "folder out of the search",
      id.second, id.first, at->second.file.string(), file.string()));
}

std::vector<const PluginManifest*> PluginRegistry::plugins() const {
  std::vector<const PluginManifest*> manifests;
  for (const char* kind : kPluginKinds) {
    for (const auto& [id, manifest] : usable_) {
      if (id.first == kind) manifests.push_back(&manifest);
    }
  }
  return manifests;
}

std::vector<std::string> PluginRegistry::names(const std::string& kind) const {
  std::vector<std::string> names;
  for (const auto& [id, manifest] : usable_) {
    if (id.first == kind) names.push_back(id.second);
  }
  return names;
}

const PluginManifest* PluginRegistry::find(const std::string& kind, const std::string& name) const {
  if (const auto found = usable_.find({kind, name}); found != usable_.end()) return &found->second;
  for (const UnusablePlugin& plugin : unusable_) {
    if (plugin.kind != kind || plugin.name != name) continue;
    throw PluginError(fmt::format("plugin '{}' of kind '{}' ('{}') cannot be used: {}", name, kind,
                                  plugin.file.string(), plugin.reason));
  }
  return nullptr;
}

const SchemaInfo* PluginRegistry::find_schema(const std::string& kind,
                                              const std::string& name) const {
  const PluginManifest* const manifest = find(kind, name);
  return manifest ? &manifest->schema : nullptr;
}

const PluginManifest& PluginRegistry::require(const std::string& kind,
                                              const std::string& name) const {
  if (const PluginManifest* const manifest = find(kind, name)) return *manifest;
  std::string text = fmt::format("there is no plugin '{}' of kind '{}'{}", name, kind,
                                 name_advice(name, names(kind), "there are"));
  text += "\nplugins were looked for in";
  for (const fs::path& folder : folders_) text += "\n  " + folder.string();
  if (folders_.empty()) text += " no folder: none of those that are searched exists";
  for (const UnusablePlugin& plugin : unusable_) {
    if (plugin.name.empty()) text += fmt::format("\ncould not be read: {}", plugin.reason);
  }
  throw PluginError(text);
}

const PluginInfo* PluginRegistry::load_library(const PluginManifest& manifest) const {
  using Entry = const PluginInfo*();
  const PluginInfo* info = nullptr;
  try {
    // rtld_now: with the lazy default a missing symbol ends the process at some later call.
    boost::dll::shared_library library(manifest.file, boost::dll::load_mode::rtld_now);
    info = library.get<Entry>(kPluginSymbol)();
    keep_forever(std::move(library));
  } catch (const std::exception& error) {
    throw PluginError(fmt::format("{} cannot be loaded: {}", title_of(manifest), error.what()));
  }
  if (!info || !info->abi_tag)
    throw PluginError(title_of(manifest) + " cannot be loaded: it gives no description");
  // Nothing else of `info` may be looked at before this: its layout is part of what the tag stands
  // for.
  if (info->abi_tag != host_abi_tag_) {
    throw PluginError(fmt::format("{} cannot be used: {}", title_of(manifest),
                                  abi_mismatch_text(info->abi_tag, host_abi_tag_)));
  }
  if (manifest.kind != info->kind || manifest.name != info->name ||
      manifest.version != info->version) {
    throw PluginError(
        fmt::format("{} is not what its manifest says: the library calls itself '{}' of kind '{}', "
                    "version {}",
                    title_of(manifest), info->name, info->kind, info->version));
  }
  return info;
}

const PluginInfo& PluginRegistry::load(const std::string& kind, const std::string& name) {
  const PluginManifest& manifest = require(kind, name);
  const std::scoped_lock lock(loading_);
  const PluginInfo*& info = loaded_[{kind, name}];
  if (!info) info = load_library(manifest);
  return *info;
}

std::unique_ptr<Plugin> PluginRegistry::create(const std::string& kind, const std::string& name,
                                               const Json& params) {
  const PluginInfo& info = load(kind, name);
  const auto failed = [&](const std::string& how) {
    return PluginError(fmt::format("{} could not be made: {}", title_of(require(kind, name)), how));
  };
  std::unique_ptr<Plugin> plugin;
  try {
    plugin = info.create(params);
  } catch (const Interrupted&) {
    throw;
  } catch (const ConfigError&) {
    throw;  // It names the key to mend.
  } catch (const std::exception& error) {
    throw failed(error.what());
  } catch (...) {
    throw failed("it threw something that is no std::exception");
  }
  if (!plugin) throw failed("its factory gave nothing");
  return plugin;
}

}  // namespace modeldiff
