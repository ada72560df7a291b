#pragma once

#include <string>
#include <vector>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// What the checks need to know of the plugins there are. Nothing is loaded for an answer.
class PluginCatalog {
 public:
  virtual ~PluginCatalog() = default;

  /// The parameters of a plugin, which stay valid as long as the catalog; nullptr when there is
  /// none of that name.
  /// @param kind one of kPluginKinds
  virtual const SchemaInfo* find_schema(const std::string& kind, const std::string& name) const = 0;
  /// All plugins of a kind, sorted.
  virtual std::vector<std::string> names(const std::string& kind) const = 0;
};

}  // namespace modeldiff
