#include "plugin_host/plugin_registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/dll/shared_library.hpp>
#include <cstdlib>
#include <sstream>

#include "config/nearest.h"
#include "store/data_search.h"

namespace modeldiff {
namespace {

using GetPluginInfo = const PluginInfo*();

std::size_t kind_rank(const std::string& kind) {
  return static_cast<std::size_t>(std::find(std::begin(kPluginKinds), std::end(kPluginKinds), kind) - std::begin(kPluginKinds));
}

/// "  plugin:  sdk=1;torch=2.12...\n  program: sdk=1;torch=2.13..."
std::string tags_side_by_side(const std::string& plugin, const std::string& host) {
  return fmt::format("it was built for another program\n  plugin:  {}\n  program: {}\n  Build it again with this program's package.", plugin, host);
}

/// Plugins stay until the process ends: what they threw, drew or registered may still be in use anywhere.
std::vector<boost::dll::shared_library>& loaded_libraries() {
  static auto* libraries = new std::vector<boost::dll::shared_library>;
  return *libraries;
}

}  // namespace

std::vector<std::filesystem::path> plugin_folders(const std::vector<std::filesystem::path>& from_command_line) {
  std::vector<std::filesystem::path> candidates = from_command_line;
  if (const char* variable = std::getenv("MODELDIFF_PLUGIN_PATH")) {
    std::stringstream list(variable);
    for (std::string folder; std::getline(list, folder, ':');) {
      if (!folder.empty()) candidates.emplace_back(folder);
    }
  }
  candidates.emplace_back("plugins");
  candidates.push_back(user_data_folder() / "plugins");
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  candidates.push_back(program / "../plugins");
  candidates.push_back(program / ".." / MODELDIFF_INSTALL_LIBDIR / "modeldiff/plugins");

  std::vector<std::filesystem::path> out;
  for (const auto& candidate : candidates) {
    std::error_code error;
    const std::filesystem::path real = std::filesystem::canonical(candidate, error);
    if (error || !std::filesystem::is_directory(real)) continue;
    if (std::find(out.begin(), out.end(), real) == out.end()) out.push_back(real);
  }
  return out;
}

PluginRegistry::PluginRegistry(std::vector<std::filesystem::path> folders, std::string host_abi_tag)
    : folders_(std::move(folders)), host_abi_tag_(std::move(host_abi_tag)) {
  for (const auto& folder : folders_) scan(folder);
}

PluginRegistry::~PluginRegistry() = default;

void PluginRegistry::scan(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (auto at = std::filesystem::recursive_directory_iterator(folder, std::filesystem::directory_options::skip_permission_denied, error);
       at != std::filesystem::recursive_directory_iterator(); at.increment(error)) {
    if (error) break;
    if (at->path().extension() == ".so" && at->is_regular_file(error)) files.push_back(at->path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) add(file);
}

void PluginRegistry::add(const std::filesystem::path& file) {
  if (!has_manifest(file)) return;
  PluginManifest manifest;
  try {
    manifest = read_manifest(file);
  } catch (const PluginError& e) {
    unusable_.push_back({file, "", "", e.what()});
    return;
  }
  if (kind_rank(manifest.kind) == std::size(kPluginKinds)) {
    unusable_.push_back({file, manifest.kind, manifest.name, fmt::format("there is no kind of plugin '{}'", manifest.kind)});
    return;
  }
  if (manifest.abi_tag != host_abi_tag_) {
    unusable_.push_back({file, manifest.kind, manifest.name, tags_side_by_side(manifest.abi_tag, host_abi_tag_)});
    return;
  }
  const Id id{manifest.kind, manifest.name};
  if (const auto there = usable_.find(id); there != usable_.end()) {
    std::error_code error;
    if (std::filesystem::equivalent(there->second.file, file, error)) return;
    throw PluginError(fmt::format("two plugins of kind '{}' are called '{}':\n  {}\n  {}", id.first, id.second, there->second.file.string(), file.string()));
  }
  usable_.emplace(id, std::move(manifest));
}

std::vector<const PluginManifest*> PluginRegistry::plugins() const {
  std::vector<const PluginManifest*> out;
  for (const auto& [id, manifest] : usable_) out.push_back(&manifest);
  std::stable_sort(out.begin(), out.end(), [](const auto* a, const auto* b) { return kind_rank(a->kind) < kind_rank(b->kind); });
  return out;
}

const PluginManifest* PluginRegistry::find(const std::string& kind, const std::string& name) const {
  if (const auto at = usable_.find({kind, name}); at != usable_.end()) return &at->second;
  for (const UnusablePlugin& plugin : unusable_) {
    if (plugin.kind == kind && plugin.name == name) {
      throw PluginError(fmt::format("plugin '{}' ({}) in '{}' cannot be used: {}", name, kind, plugin.file.string(), plugin.reason));
    }
  }
  return nullptr;
}

const SchemaInfo* PluginRegistry::find_schema(const std::string& kind, const std::string& name) const {
  const PluginManifest* manifest = find(kind, name);
  return manifest ? &manifest->schema : nullptr;
}

std::vector<std::string> PluginRegistry::names(const std::string& kind) const {
  std::vector<std::string> out;
  for (const auto& [id, manifest] : usable_) {
    if (id.first == kind) out.push_back(id.second);
  }
  return out;
}

const PluginManifest& PluginRegistry::require(const std::string& kind, const std::string& name) const {
  if (const PluginManifest* manifest = find(kind, name)) return *manifest;
  throw PluginError(fmt::format("there is no plugin '{}' of kind '{}'{}", name, kind, name_advice(name, names(kind), "there are")));
}

const PluginInfo& PluginRegistry::load(const std::string& kind, const std::string& name) {
  const PluginManifest& manifest = require(kind, name);
  const std::lock_guard lock(loading_);
  if (const auto at = loaded_.find({kind, name}); at != loaded_.end()) return *at->second;
  const PluginInfo* info = nullptr;
  try {
    // With the default, lazy binding a missing symbol would end the process in the middle of an experiment.
    boost::dll::shared_library library(manifest.file, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
    info = library.get<GetPluginInfo>(kPluginSymbol)();
    loaded_libraries().push_back(std::move(library));
  } catch (const std::exception& e) {
    throw PluginError(fmt::format("plugin '{}' {} in '{}' does not load: {}", name, manifest.version, manifest.file.string(), e.what()));
  }
  if (!info || host_abi_tag_ != info->abi_tag) {
    throw PluginError(fmt::format("plugin '{}' in '{}' is not what its manifest says: {}", name, manifest.file.string(),
                                  tags_side_by_side(info ? info->abi_tag : "nothing", host_abi_tag_)));
  }
  if (kind != info->kind || name != info->name) {
    throw PluginError(fmt::format("'{}' is not what its manifest says: it holds plugin '{}' of kind '{}'", manifest.file.string(), info->name, info->kind));
  }
  loaded_.emplace(Id{kind, name}, info);
  return *info;
}

std::unique_ptr<Plugin> PluginRegistry::create(const std::string& kind, const std::string& name, const Json& params) {
  const PluginInfo& info = load(kind, name);
  const auto where = [&] { return fmt::format("plugin '{}' {} ({})", name, info.version, require(kind, name).file.string()); };
  try {
    std::unique_ptr<Plugin> made = info.create(params);
    if (!made) throw PluginError("its factory made nothing");
    return made;
  } catch (const Interrupted&) {
    throw;
  } catch (const ConfigError&) {
    throw;  // names the key to mend
  } catch (const std::exception& e) {
    throw PluginError(fmt::format("{} could not be made: {}", where(), e.what()));
  } catch (...) {
    throw PluginError(fmt::format("{} could not be made: its factory threw something that is no exception", where()));
  }
}

}  // namespace modeldiff
