#pragma once

#include <memory>

#include "modeldiff/attributor.h"
#include "modeldiff/plugin.h"

extern "C" const modeldiff::PluginInfo* modeldiff_plugin_v1();

namespace modeldiff::testing {

/// The attributor that is linked into the test. @param params keys that differ from the defaults
inline std::unique_ptr<Attributor> make_attributor(Json params = Json::object()) {
  const PluginInfo& info = *modeldiff_plugin_v1();
  for (const FieldInfo& field : info.schema().fields) {
    if (!params.contains(field.name)) params[field.name] = field.default_value;
  }
  std::unique_ptr<Plugin> plugin = info.create(params);
  Attributor* attributor = dynamic_cast<Attributor*>(plugin.release());
  return std::unique_ptr<Attributor>(attributor);
}

}  // namespace modeldiff::testing
