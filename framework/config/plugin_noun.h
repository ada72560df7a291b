#pragma once

#include <string>

namespace modeldiff {

/// One of a kind: "attributors" -> "attributor".
inline std::string plugin_noun(const std::string& kind) {
  return kind.ends_with('s') ? kind.substr(0, kind.size() - 1) : kind;
}

}  // namespace modeldiff
