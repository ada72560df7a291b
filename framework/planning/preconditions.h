#pragma once

#include <vector>

#include "planning/experiment.h"
#include "plugin_host/plugin_registry.h"
#include "store/data_search.h"

namespace modeldiff {

/// What can be told of a checked experiment before any data is read: files of data that are absent,
/// evaluations whose sections are missing, claims about parts that the result will not have. Each
/// with its place in the file.
std::vector<Diagnostic> unmet_preconditions(const Experiment& experiment,
                                            const PluginRegistry& plugins, const DataSearch& data);

}  // namespace modeldiff
