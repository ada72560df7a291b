#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "plugin_host/plugin_registry.h"

namespace modeldiff {

/// A plugin that an experiment names.
struct PluginUse {
  /// Where its parameters stand: "algorithms.A.model".
  std::string path;
  std::string kind;
  /// Checked and complete, with the name under "plugin".
  Json params;
};

struct TrialResult {
  /// What their constructors want to be mended in the file; paths from the file's top.
  std::vector<Diagnostic> errors;
  /// Plugins that cannot be used at all: each names the plugin and says why.
  std::vector<std::string> failures;
};

/// Makes each plugin once, as a run would, and throws it away. That happens in a child process:
/// libraries with all that they need are not loaded into this one, and one that crashes or hangs is
/// a failure like any other.
/// @param limit for each plugin, with the loading of its libraries
TrialResult try_plugins(PluginRegistry& plugins, const std::vector<PluginUse>& uses,
                        std::chrono::milliseconds limit = std::chrono::minutes(1));

}  // namespace modeldiff
