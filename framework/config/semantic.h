#pragma once

#include <string>

#include "config/catalog.h"
#include "modeldiff/core/json.h"
#include "modeldiff/core/schema.h"

/// What of a description can change a result: the part that is hashed.
namespace modeldiff {

/// The description without the fields declared not semantic, nested plugins included. Keys that the
/// schema does not know, as those of the free-form areas, are left out.
/// @param params complete, as check_experiment makes it
Json semantic_part(const Json& params, const SchemaInfo& schema, const PluginCatalog& catalog);

/// The same of one field's value, a plugin with its section's keys for example.
Json semantic_part(const Json& value, const FieldInfo& field, const PluginCatalog& catalog);

/// The same of one plugin's complete parameters; `plugin` stays.
Json semantic_plugin_part(const Json& params, const std::string& kind,
                          const PluginCatalog& catalog);

}  // namespace modeldiff
