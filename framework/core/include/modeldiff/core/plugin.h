#pragma once

#include <memory>
#include <string>

#include "modeldiff/core/schema.h"

/// What a plugin library says of itself. The host reads it from the library's manifest, before
/// loading.
namespace modeldiff {

/// Raised when an interface of the SDK changes; part of the tag that program and plugin compare.
#define MODELDIFF_SDK_VERSION 1

/// The kinds, in the order in which an experiment meets them.
inline constexpr const char* kPluginKinds[] = {"datasets",    "models",    "algorithms",
                                               "attributors", "proposers", "evaluations"};

/// Base of everything a plugin makes.
class MODELDIFF_API Plugin {
 public:
  Plugin() = default;
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;
  virtual ~Plugin();
};

/// The answer of a library's one exported symbol, `modeldiff_plugin_v1`. Only `abi_tag` may be
/// looked at before it has been found equal to the host's.
struct PluginInfo {
  const char* abi_tag;
  const char* kind;
  const char* name;
  const char* version;
  /// One line for `modeldiff describe`.
  const char* summary;
  SchemaInfo (*schema)();
  /// A JSON object of what the planner must know without loading the library; see docs/plugins.md,
  /// "traits".
  const char* traits;
  /// @param params checked and complete
  std::unique_ptr<Plugin> (*create)(const Json& params);
};

inline constexpr const char* kPluginSymbol = "modeldiff_plugin_v1";
/// The ELF section that holds the manifest, a JSON object: abi_tag, kind, name, version, summary,
/// traits, schema.
inline constexpr const char* kManifestSection = ".modeldiff";

}  // namespace modeldiff
