#pragma once

#include <functional>
#include <string>

#include "config/catalog.h"
#include "modeldiff/core/json.h"

namespace modeldiff {

/// Called with a parameter's key path, "algorithms.A.model", its declaration and its value.
using ParameterVisitor =
    std::function<void(const std::string& path, const FieldInfo& field, const Json& value)>;

/// Visits every parameter of a checked description, those within lists, maps and plugins too; each
/// before what is in it.
void visit_parameters(const Json& description, const SchemaInfo& schema,
                      const PluginCatalog& catalog, const ParameterVisitor& visit);

}  // namespace modeldiff
