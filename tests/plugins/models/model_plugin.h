#pragma once

#include <dlfcn.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "modeldiff/core/plugin.h"
#include "modeldiff/model.h"

namespace modeldiff {

/// A model plugin of the build, loaded for good.
inline const PluginInfo& model_plugin(const std::string& name) {
  const std::string file = std::string(MODELDIFF_BUILD_DIR) + "/plugins/models/" + name + ".so";
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) throw std::runtime_error(dlerror());
  const auto entry = reinterpret_cast<const PluginInfo* (*)()>(dlsym(library, kPluginSymbol));
  if (!entry) throw std::runtime_error(file + " exports no " + kPluginSymbol);
  return *entry();
}

/// @param params keys that differ from the defaults
inline std::unique_ptr<Model> build_model(const std::string& name, const ModelSpec& spec,
                                          Json params = Json::object()) {
  const PluginInfo& info = model_plugin(name);
  const SchemaInfo schema = info.schema();
  for (const FieldInfo& field : schema.fields) {
    if (!params.contains(field.name)) params[field.name] = field.default_value;
  }
  const std::unique_ptr<Plugin> plugin = info.create(params);
  return dynamic_cast<Architecture&>(*plugin).build(spec);
}

}  // namespace modeldiff
