#include "config/json_schema.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "config/plugin_noun.h"

namespace modeldiff {
namespace {

using Type = FieldInfo::Type;

class SchemaWriter {
 public:
  explicit SchemaWriter(const PluginCatalog& catalog) : catalog_(catalog) {}

  Json document(const SchemaInfo& experiment) {
    Json out = closed_map({&experiment});
    Json& properties = out["properties"];
    properties["extends"] = {
        {"description",
         "Files that this one builds on; later ones win, and this file wins over all."},
        {"anyOf", {{{"type", "string"}}, {{"type", "array"}, {"items", {{"type", "string"}}}}}}};
    properties["sweep"] = {
        {"description", "Key paths and the values they take: one experiment for each combination."},
        {"type", "object"},
        {"additionalProperties",
         {{"anyOf",
           {{{"type", "array"}, {"minItems", 1}},
            {{"type", "string"}, {"pattern", "^-?[0-9]+\\.\\.-?[0-9]+$"}}}}}}};
    properties["meta"]["description"] = "Free form; never checked and no part of any identity.";
    out["patternProperties"] = {{"^x-", Json::object()}};
    out["$schema"] = "http://json-schema.org/draft-07/schema#";
    out["title"] = "modeldiff experiment";
    definitions_["extends"] = {
        {"description", "Key paths of maps in this file whose keys are inherited; own keys win."},
        {"anyOf", {{{"type", "string"}}, {{"type", "array"}, {"items", {{"type", "string"}}}}}}};
    out["definitions"] = definitions_;
    return out;
  }

 private:
  static Json inherited_keys() { return {{"$ref", "#/definitions/extends"}}; }

  /// A map with these keys and no others. What is required may be inherited.
  Json closed_map(const std::vector<const SchemaInfo*>& schemas) {
    Json out{{"type", "object"}, {"additionalProperties", false}};
    Json& properties = out["properties"] = Json::object();
    Json required = Json::array();
    for (const SchemaInfo* schema : schemas) {
      for (const FieldInfo& field : schema->fields) {
        if (properties.contains(field.name)) continue;
        properties[field.name] = described(field);
        if (field.required) required.push_back(field.name);
      }
    }
    properties["extends"] = inherited_keys();
    if (!required.empty()) out["anyOf"] = {{{"required", {"extends"}}}, {{"required", required}}};
    return out;
  }

  Json described(const FieldInfo& field) {
    Json out = nullable(field);
    std::string text = field.doc;
    if (!field.unit.empty()) {
      text += text.empty() ? "Unit: " + field.unit + "." : " Unit: " + field.unit + ".";
    }
    // Beside "$ref" other keywords are passed over in draft-07.
    if (out.contains("$ref")) out = {{"allOf", {out}}};
    if (!text.empty()) out["description"] = text;
    if (!field.default_value.is_null()) out["default"] = field.default_value;
    return out;
  }

  Json nullable(const FieldInfo& field) {
    if (!field.nullable || field.type == Type::any) return value_schema(field);
    return {{"anyOf", {value_schema(field), {{"type", "null"}}}}};
  }

  Json value_schema(const FieldInfo& field) {
    switch (field.type) {
      case Type::boolean:
        return {{"type", "boolean"}};
      case Type::integer:
        return number_schema("integer", field);
      case Type::number:
        return number_schema("number", field);
      case Type::text:
      case Type::reference:
        return {{"type", "string"}};
      case Type::path:
        return {{"type", "string"}, {"minLength", 1}};
      case Type::choice:
        return {{"enum", field.choices}};
      case Type::list:
        return list_schema(field);
      case Type::table:
        return table_schema(field);
      case Type::object:
        return object_schema(field);
      case Type::plugin:
        return {{"$ref", "#/definitions/" + plugin_definition(field)}};
      case Type::any:
        return Json::object();
    }
    return Json::object();
  }

  static Json number_schema(const char* type, const FieldInfo& field) {
    Json out{{"type", type}};
    if (field.minimum) {
      out[field.exclusive_minimum ? "exclusiveMinimum" : "minimum"] = *field.minimum;
    }
    if (field.maximum) {
      out[field.exclusive_maximum ? "exclusiveMaximum" : "maximum"] = *field.maximum;
    }
    return out;
  }

  Json list_schema(const FieldInfo& field) {
    Json out{{"type", "array"}, {"items", nullable(*field.element)}};
    if (field.min_items) out["minItems"] = *field.min_items;
    if (field.max_items) out["maxItems"] = *field.max_items;
    if (!field.lone_item) return out;
    return {{"anyOf", {nullable(*field.element), std::move(out)}}};
  }

  Json table_schema(const FieldInfo& field) {
    return {{"type", "object"},
            {"properties", {{"extends", inherited_keys()}}},
            {"additionalProperties", nullable(*field.element)}};
  }

  Json object_schema(const FieldInfo& field) {
    Json map = closed_map({field.fields.get()});
    const FieldInfo* only = field.shorthand.empty() ? nullptr : field.fields->find(field.shorthand);
    if (!only) return map;
    return {{"anyOf", {value_schema(*only), std::move(map)}}};
  }

  /// One definition for each kind and set of section keys, so that plugins may nest plugins of
  /// their own kind.
  std::string plugin_definition(const FieldInfo& field) {
    const Json id{field.plugin_kind, field.fields ? to_json(*field.fields) : Json()};
    for (const auto& [known, name] : plugin_definitions_) {
      if (known == id) return name;
    }
    const auto same_kind =
        std::count_if(plugin_definitions_.begin(), plugin_definitions_.end(),
                      [&](const auto& entry) { return entry.first[0] == field.plugin_kind; });
    const std::string name = same_kind == 0
                                 ? field.plugin_kind
                                 : field.plugin_kind + "-" + std::to_string(same_kind + 1);
    plugin_definitions_.emplace_back(id, name);
    definitions_[name] = plugin_schema(field);
    return name;
  }

  Json plugin_schema(const FieldInfo& field) {
    const std::vector<std::string> names = catalog_.names(field.plugin_kind);
    const Json any_name{{"description", "Which " + plugin_noun(field.plugin_kind) + "."},
                        {"enum", names}};
    Json map{{"type", "object"},
             {"properties", {{"plugin", any_name}, {"extends", inherited_keys()}}}};
    map["anyOf"] = {{{"required", {"plugin"}}}, {{"required", {"extends"}}}};
    Json cases = Json::array();
    for (const std::string& name : names) {
      std::vector<const SchemaInfo*> schemas{catalog_.find_schema(field.plugin_kind, name)};
      if (field.fields) schemas.push_back(field.fields.get());
      const Json is_this{{"const", name}};
      Json keys = closed_map(schemas);
      keys["properties"]["plugin"] = is_this;
      cases.push_back({{"if", {{"properties", {{"plugin", is_this}}}, {"required", {"plugin"}}}},
                       {"then", std::move(keys)}});
    }
    if (!cases.empty()) map["allOf"] = std::move(cases);
    return {{"oneOf", {{{"type", "string"}, {"enum", names}}, std::move(map)}}};
  }

  const PluginCatalog& catalog_;
  Json definitions_ = Json::object();
  std::vector<std::pair<Json, std::string>> plugin_definitions_;
};

}  // namespace

Json experiment_json_schema(const SchemaInfo& experiment, const PluginCatalog& catalog) {
  return SchemaWriter(catalog).document(experiment);
}

}  // namespace modeldiff
