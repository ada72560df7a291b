#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "config/catalog.h"
#include "modeldiff/core/schema.h"

/// The declared parameters for people.
namespace modeldiff {

/// "list of integers", "one of constant, triangle", "plugin of kind models".
std::string type_phrase(const FieldInfo& field);

/// "at least 1", "more than 0 and at most 1 (nats)", "2 to 4 items"; empty: anything.
std::string range_phrase(const FieldInfo& field);

/// One Markdown table: key, type, default, range, meaning. Keys of nested maps are rows of their
/// own: "init.from", "parts[].weight" in a list, "algorithms.NAME.input_mask" in a map of names.
std::string markdown_table(const SchemaInfo& schema);

/// All of docs/configuration.md below its introduction: the sections of the file, then the plugins
/// by kind.
/// @param summary_of kind and name of a plugin -> its one line; may be empty
std::string markdown_reference(
    const SchemaInfo& experiment, const PluginCatalog& catalog,
    const std::function<std::string(const std::string&, const std::string&)>& summary_of = {});

/// The same table in columns for a terminal, wrapped to `width` characters.
std::string text_table(const SchemaInfo& schema, std::size_t width = 100);

}  // namespace modeldiff
