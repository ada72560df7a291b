#pragma once

#include <string>
#include <vector>

#include "config/catalog.h"
#include "modeldiff/core/schema.h"
#include "modeldiff/core/value.h"

/// A composed tree against the declared parameters.
namespace modeldiff {

struct CheckedExperiment {
  /// Complete: every key with its value or default, shorthands written out, integers in number
  /// fields as doubles. Keys of the free-form areas, `meta` and `x-...` at the top, stand as they
  /// are. Only to be used without errors.
  Json description;
  /// In the order of the file. A value that several maps inherit is reported once.
  std::vector<Diagnostic> errors;
};

/// Compares all of the tree, never stopping at the first error: types, ranges, choices, lengths,
/// unknown and missing keys, names of plugins, references and cycles among them.
/// @param schema the sections of an experiment file
CheckedExperiment check_experiment(const Value& root, const SchemaInfo& schema,
                                   const PluginCatalog& catalog);

/// @throws ConfigError with all errors
Json checked_description(const Value& root, const SchemaInfo& schema, const PluginCatalog& catalog);

/// The parameters of one plugin with all defaults, where no file is: {} or some of its keys.
/// @throws ConfigError; PluginError when there is no such plugin
Json complete_parameters(const std::string& kind, const std::string& name, const Json& given,
                         const PluginCatalog& catalog);

/// "meta" and "x-...": keys at the top of a file that are never checked.
bool is_free_form_key(std::string_view key);

}  // namespace modeldiff
