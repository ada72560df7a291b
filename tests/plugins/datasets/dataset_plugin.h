#pragma once

#include <dlfcn.h>

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

#include "modeldiff/core/plugin.h"
#include "modeldiff/dataset.h"

namespace modeldiff::testing {

/// Files under one folder.
class FolderResources final : public Resources {
 public:
  explicit FolderResources(std::filesystem::path folder) : folder_(std::move(folder)) {}
  std::filesystem::path resolve(const DataPath& path) const override { return folder_ / path.text; }

 private:
  std::filesystem::path folder_;
};

/// Loads a data set through the plugin library of the build.
/// @param params keys that differ from the defaults
inline Dataset load_dataset(const std::string& plugin, const std::filesystem::path& folder,
                            const Json& params = Json::object()) {
  const std::string file = std::string(MODELDIFF_BUILD_DIR) + "/plugins/datasets/" + plugin + ".so";
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) throw std::runtime_error(dlerror());
  const auto entry = reinterpret_cast<const PluginInfo* (*)()>(dlsym(library, kPluginSymbol));
  if (!entry) throw std::runtime_error(file + " exports no " + kPluginSymbol);
  const std::unique_ptr<Plugin> source = entry()->create(params);
  return dynamic_cast<DatasetSource&>(*source).load(FolderResources(folder));
}

}  // namespace modeldiff::testing
