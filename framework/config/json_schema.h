#pragma once

#include "config/catalog.h"
#include "modeldiff/core/json.h"
#include "modeldiff/core/schema.h"

namespace modeldiff {

/// A JSON Schema (draft-07) of experiment files, for completion and checks in editors: nested
/// plugins by the name under `plugin`, bare names for plugins, shorthands, `extends`, `sweep`,
/// `meta` and `x-...`. A map that extends another may leave out required keys.
Json experiment_json_schema(const SchemaInfo& experiment, const PluginCatalog& catalog);

}  // namespace modeldiff
