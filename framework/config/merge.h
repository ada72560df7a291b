#pragma once

#include <functional>
#include <string>

#include "config/catalog.h"
#include "modeldiff/core/value.h"

/// How one map builds on another; the rules are those of compose.h.
namespace modeldiff {

/// The name under `plugin`, or nullptr.
const std::string* plugin_named_by(const Value& value);

/// A bare name of a known plugin as the map it stands for, {plugin: NAME}; everything else as it
/// is.
Value plugin_written_out(const Value& value, const PluginCatalog* catalog);

/// Whether two maps name different plugins, so that their keys do not belong together.
bool names_another_plugin(const Value& above, const Value& below);

/// `above` over `below`: maps key by key, everything else replaced.
Value merged(const Value& below, const Value& above, const PluginCatalog* catalog);

/// The map with those entries left out whose keys are `dropped`.
Value without_entries(const Value& map, const std::function<bool(const std::string&)>& dropped);

/// What a map whose plugin is `heir` takes over from `base`: all but `plugin` and the keys that
/// belong to base's plugin alone, if the two differ.
Value inheritable_by(const std::string& heir, const Value& base, const PluginCatalog* catalog);

}  // namespace modeldiff
