#include "modeldiff/core/schema.h"

#include <fmt/format.h>

namespace modeldiff {
namespace {

constexpr std::string_view kTypeNames[] = {"boolean", "integer",   "number", "text",
                                           "choice",  "list",      "table",  "object",
                                           "plugin",  "reference", "path",   "any"};

FieldInfo::Type type_of_name(const std::string& name) {
  for (std::size_t i = 0; i < std::size(kTypeNames); ++i) {
    if (kTypeNames[i] == name) return static_cast<FieldInfo::Type>(i);
  }
  throw DataError(fmt::format("unknown parameter type '{}' in a schema", name));
}

Json field_to_json(const FieldInfo& field) {
  Json out{{"name", field.name}, {"type", type_name(field.type)}};
  const FieldInfo plain;
  if (!field.doc.empty()) out["doc"] = field.doc;
  if (!field.unit.empty()) out["unit"] = field.unit;
  if (field.required) out["required"] = true;
  if (field.nullable) out["nullable"] = true;
  if (!field.semantic) out["semantic"] = false;
  if (!field.default_value.is_null()) out["default"] = field.default_value;
  if (field.minimum) out[field.exclusive_minimum ? "more_than" : "at_least"] = *field.minimum;
  if (field.maximum) out[field.exclusive_maximum ? "less_than" : "at_most"] = *field.maximum;
  if (field.min_items) out["min_items"] = *field.min_items;
  if (field.max_items) out["max_items"] = *field.max_items;
  if (!field.choices.empty()) out["choices"] = field.choices;
  if (!field.plugin_kind.empty()) out["plugin_kind"] = field.plugin_kind;
  if (!field.section.empty()) out["section"] = field.section;
  if (!field.shorthand.empty()) out["shorthand"] = field.shorthand;
  if (field.lone_item) out["lone_item"] = true;
  if (field.element) out["element"] = field_to_json(*field.element);
  if (field.fields) out["fields"] = to_json(*field.fields);
  return out;
}

FieldInfo field_from_json(const Json& json) {
  FieldInfo field;
  field.name = json.value("name", "");
  field.type = type_of_name(json.at("type").get<std::string>());
  field.doc = json.value("doc", "");
  field.unit = json.value("unit", "");
  field.required = json.value("required", false);
  field.nullable = json.value("nullable", false);
  field.semantic = json.value("semantic", true);
  field.default_value = json.value("default", Json());
  const auto number = [&](const char* key) -> std::optional<double> {
    return json.contains(key) ? std::optional(json.at(key).get<double>()) : std::nullopt;
  };
  const auto count = [&](const char* key) -> std::optional<std::int64_t> {
    return json.contains(key) ? std::optional(json.at(key).get<std::int64_t>()) : std::nullopt;
  };
  field.exclusive_minimum = json.contains("more_than");
  field.exclusive_maximum = json.contains("less_than");
  field.minimum = number(field.exclusive_minimum ? "more_than" : "at_least");
  field.maximum = number(field.exclusive_maximum ? "less_than" : "at_most");
  field.min_items = count("min_items");
  field.max_items = count("max_items");
  field.choices = json.value("choices", std::vector<std::string>{});
  field.plugin_kind = json.value("plugin_kind", "");
  field.section = json.value("section", "");
  field.shorthand = json.value("shorthand", "");
  field.lone_item = json.value("lone_item", false);
  if (json.contains("element"))
    field.element = std::make_shared<FieldInfo>(field_from_json(json.at("element")));
  if (json.contains("fields"))
    field.fields = std::make_shared<SchemaInfo>(schema_from_json(json.at("fields")));
  return field;
}

}  // namespace

const FieldInfo* SchemaInfo::find(const std::string& key) const {
  for (const FieldInfo& field : fields) {
    if (field.name == key) return &field;
  }
  return nullptr;
}

std::string_view type_name(FieldInfo::Type type) { return kTypeNames[static_cast<int>(type)]; }

Json to_json(const SchemaInfo& schema) {
  Json fields = Json::array();
  for (const FieldInfo& field : schema.fields) fields.push_back(field_to_json(field));
  return {{"name", schema.name}, {"fields", fields}};
}

SchemaInfo schema_from_json(const Json& json) {
  try {
    SchemaInfo schema;
    schema.name = json.at("name").get<std::string>();
    for (const Json& field : json.at("fields")) schema.fields.push_back(field_from_json(field));
    return schema;
  } catch (const Json::exception& e) {
    throw DataError(fmt::format("a schema cannot be read: {}", e.what()));
  }
}

namespace schema_detail {

void fail_read(const char* expected, const Json& found) {
  throw InternalError(
      fmt::format("a bug in modeldiff: checked parameters hold {} where {} is declared",
                  found.dump(), expected));
}

}  // namespace schema_detail

FieldRule at_least(double bound) {
  return [=](FieldInfo& field) { field.minimum = bound; };
}
FieldRule at_most(double bound) {
  return [=](FieldInfo& field) { field.maximum = bound; };
}
FieldRule more_than(double bound) {
  return [=](FieldInfo& field) { field.minimum = bound, field.exclusive_minimum = true; };
}
FieldRule less_than(double bound) {
  return [=](FieldInfo& field) { field.maximum = bound, field.exclusive_maximum = true; };
}
FieldRule each_item(FieldRule rule) {
  return [rule = std::move(rule)](FieldInfo& field) {
    MODELDIFF_CHECK(field.element, "each_item on '" + field.name + "', which holds no items");
    rule(*field.element);
  };
}
FieldRule item_count(std::int64_t least, std::int64_t most) {
  return [=](FieldInfo& field) { field.min_items = least, field.max_items = most; };
}
FieldRule unit(std::string name) {
  return [name = std::move(name)](FieldInfo& field) { field.unit = name; };
}
FieldRule one_of(std::vector<std::string> choices) {
  return [choices = std::move(choices)](FieldInfo& field) {
    FieldInfo& target = field.element ? *field.element : field;
    target.type = FieldInfo::Type::choice;
    target.choices = choices;
  };
}
FieldRule not_semantic() {
  return [](FieldInfo& field) { field.semantic = false; };
}
FieldRule plugin_of(std::string kind) { return plugin_of(std::move(kind), {}); }
FieldRule plugin_of(std::string kind, SchemaInfo section_keys) {
  return [kind = std::move(kind), keys = std::move(section_keys)](FieldInfo& field) {
    FieldInfo& target = field.element ? *field.element : field;
    MODELDIFF_CHECK(target.type == FieldInfo::Type::plugin, "plugin_of on '" + field.name + "'");
    target.plugin_kind = kind;
    if (!keys.fields.empty()) target.fields = std::make_shared<SchemaInfo>(keys);
  };
}
FieldRule names_entry_of(std::string section) {
  return [section = std::move(section)](FieldInfo& field) {
    (field.element ? *field.element : field).section = section;
  };
}
FieldRule shorthand_for(std::string key) {
  return [key = std::move(key)](FieldInfo& field) {
    (field.element ? *field.element : field).shorthand = key;
  };
}
FieldRule lone_item() {
  return [](FieldInfo& field) {
    MODELDIFF_CHECK(field.type == FieldInfo::Type::list, "lone_item on '" + field.name + "'");
    field.lone_item = true;
  };
}

}  // namespace modeldiff
