#pragma once

#include <string>
#include <vector>

#include "config/catalog.h"
#include "modeldiff/core/value.h"

namespace modeldiff {

/// One value to put at one place of a tree.
struct Override {
  std::string path;
  std::vector<std::string> parts;
  bool append = false;
  Value value;
  /// "--set a.b=1", or the place in `sweep:`.
  SourceLocation where;
};

/// "a.b=1", "a.list+=x"
/// @throws ConfigError located at "--set a.b=1"
Override parse_override(const std::string& text);

/// "seed=0..9", "lr=0.1,0.2", "lr=[0.1, 0.2]" -> the path and the list of values, or the range as
/// text.
/// @throws ConfigError located at "--sweep seed=0..9"
Override parse_sweep_argument(const std::string& text);

/// @param sections top-level keys that are made when they are missing
/// @throws ConfigError when the path leads through something that is not there or holds no keys
Value with_override(const Value& root, const Override& override,
                    const std::vector<std::string>& sections, const PluginCatalog* catalog);

}  // namespace modeldiff
