#include "config/semantic.h"

namespace modeldiff {
namespace {

/// The fields of a schema that are there and count.
void take_semantic(const Json& params, const SchemaInfo& schema, const PluginCatalog& catalog,
                   Json& out) {
  for (const FieldInfo& field : schema.fields) {
    if (field.semantic && params.contains(field.name)) {
      out[field.name] = semantic_part(params.at(field.name), field, catalog);
    }
  }
}

Json plugin_part(const Json& value, const std::string& kind, const SchemaInfo* section_keys,
                 const PluginCatalog& catalog) {
  const std::string name = value.at("plugin").get<std::string>();
  const SchemaInfo* schema = catalog.find_schema(kind, name);
  MODELDIFF_CHECK(schema, "a checked description names " + kind + " '" + name +
                              "', which is not in the catalog");
  Json out{{"plugin", name}};
  if (section_keys) take_semantic(value, *section_keys, catalog, out);
  take_semantic(value, *schema, catalog, out);
  return out;
}

}  // namespace

Json semantic_part(const Json& params, const SchemaInfo& schema, const PluginCatalog& catalog) {
  Json out = Json::object();
  take_semantic(params, schema, catalog, out);
  return out;
}

Json semantic_part(const Json& value, const FieldInfo& field, const PluginCatalog& catalog) {
  if (value.is_null()) return value;
  switch (field.type) {
    case FieldInfo::Type::list: {
      Json out = Json::array();
      for (const Json& item : value) out.push_back(semantic_part(item, *field.element, catalog));
      return out;
    }
    case FieldInfo::Type::table: {
      Json out = Json::object();
      for (const auto& [key, item] : value.items()) {
        out[key] = semantic_part(item, *field.element, catalog);
      }
      return out;
    }
    case FieldInfo::Type::object:
      return semantic_part(value, *field.fields, catalog);
    case FieldInfo::Type::plugin:
      return plugin_part(value, field.plugin_kind, field.fields.get(), catalog);
    default:
      return value;
  }
}

Json semantic_plugin_part(const Json& params, const std::string& kind,
                          const PluginCatalog& catalog) {
  return plugin_part(params, kind, nullptr, catalog);
}

}  // namespace modeldiff
