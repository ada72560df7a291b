#include "config/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "config/check_words.h"
#include "config/json_value.h"
#include "config/key_path.h"
#include "config/nearest.h"
#include "config/plugin_noun.h"
#include "config/references.h"
#include "modeldiff/core/plugin.h"

namespace modeldiff {
namespace {

using Type = FieldInfo::Type;

// Above this a double steps over integers.
constexpr double kLargestExactInteger = 9007199254740992.0;

/// Where a value stands, for messages.
struct Place {
  std::string path;
  /// Of the key, or of the item of a list.
  SourceLocation where;
};

/// The keys that one map may have, and how errors call the map.
struct MapKeys {
  std::vector<const SchemaInfo*> schemas;
  /// "algorithm 'sgd'", "'compare'", "the experiment".
  std::string noun;
  /// Of the fields, where the surrounding default says otherwise than the schema; may be null.
  const Json* defaults = nullptr;
  /// `plugin` is a key, which is read elsewhere.
  bool names_plugin = false;

  const FieldInfo* find(const std::string& key) const {
    for (const SchemaInfo* schema : schemas) {
      if (const FieldInfo* field = schema->find(key)) return field;
    }
    return nullptr;
  }

  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const SchemaInfo* schema : schemas) {
      for (const FieldInfo& field : schema->fields) {
        if (std::find(all.begin(), all.end(), field.name) == all.end()) all.push_back(field.name);
      }
    }
    return all;
  }
};

class Checker {
 public:
  explicit Checker(const PluginCatalog& catalog) : catalog_(catalog) {}

  Json check_root(const Value& root, const SchemaInfo& schema) {
    if (!root.is(Value::Kind::map)) {
      report_plain(
          {"", root.where()},
          fmt::format("an experiment is a map of sections, and this is {}", found_phrase(root)));
      return Json::object();
    }
    const SourceLocation whole_file{root.where().file, 0, 0};
    Json out = check_map(root, {"", whole_file}, {{&schema}, "the experiment"});
    for (const auto& [key, value] : root.entries()) {
      if (is_free_form_key(key) && !schema.find(key)) out[key] = value.to_json();
    }
    for (Diagnostic& error : check_references(references_, root)) {
      errors_.push_back(std::move(error));
    }
    return out;
  }

  Json check_plugin_keys(const Value& map, const std::string& kind, const std::string& name,
                         const SchemaInfo& schema) {
    return check_map(map, {"", map.where()},
                     {{&schema}, fmt::format("{} '{}'", plugin_noun(kind), name), nullptr, true});
  }

  std::vector<Diagnostic> errors() && {
    std::map<std::string, std::size_t> files;
    for (const Diagnostic& error : errors_) files.emplace(error.where.file, files.size());
    std::stable_sort(errors_.begin(), errors_.end(), [&](const Diagnostic& a, const Diagnostic& b) {
      return std::tuple(files[a.where.file], a.where.line, a.where.column) <
             std::tuple(files[b.where.file], b.where.line, b.where.column);
    });
    return std::move(errors_);
  }

 private:
  /// "<path> must be ..., got ...": the same words at the same place are said once, whoever
  /// inherits them.
  void report(const Place& place, const SourceLocation& where, const std::string& predicate) {
    if (said_before(where, place, predicate)) return;
    const std::string source = in_default_ ? ", the default" : "";
    errors_.push_back(
        {where, place.path,
         fmt::format("{}{}{}{}", place.path, place.path.empty() ? "" : " ", predicate, source)});
  }

  void report_plain(const Place& place, const std::string& message) {
    if (said_before(place.where, place, message)) return;
    errors_.push_back(
        {place.where, place.path,
         message + (in_default_ ? fmt::format("; {} is the default", place.path) : "")});
  }

  bool said_before(const SourceLocation& where, const Place& place, const std::string& words) {
    if (where.file.empty()) return false;
    const std::string key = place.path.substr(place.path.find_last_of(".[") + 1);
    return !said_.emplace(where.text(), key, words).second;
  }

  void report_type(const Value& value, const FieldInfo& field, const Place& place) {
    report(place, value.where(),
           fmt::format("must be {}, got {}{}", expected_phrase(field), found_phrase(value),
                       mending_advice(value, field)));
  }

  Json check_field(const Value& value, const FieldInfo& field, const Place& place,
                   const Json* defaults = nullptr) {
    if (value.is(Value::Kind::null) && field.type != Type::any) {
      if (!field.nullable) report_type(value, field, place);
      return nullptr;
    }
    switch (field.type) {
      case Type::boolean:
        return check_boolean(value, field, place);
      case Type::integer:
        return check_integer(value, field, place);
      case Type::number:
        return check_number(value, field, place);
      case Type::text:
      case Type::path:
        return check_text(value, field, place);
      case Type::choice:
        return check_choice(value, field, place);
      case Type::list:
        return check_list(value, field, place);
      case Type::table:
        return check_table(value, field, place);
      case Type::object:
        return check_object(value, field, place, defaults);
      case Type::plugin:
        return check_plugin(value, field, place);
      case Type::reference:
        return check_reference(value, field, place);
      case Type::any:
        return value.to_json();
    }
    return nullptr;
  }

  Json check_boolean(const Value& value, const FieldInfo& field, const Place& place) {
    if (value.is(Value::Kind::boolean)) return value.as_boolean();
    report_type(value, field, place);
    return nullptr;
  }

  Json check_integer(const Value& value, const FieldInfo& field, const Place& place) {
    if (value.is(Value::Kind::integer)) {
      check_range(value, field, place);
      return value.as_integer();
    }
    const bool whole =
        value.is(Value::Kind::number) && value.as_number() == std::trunc(value.as_number()) &&
        std::abs(value.as_number()) <= kLargestExactInteger;  // 1e3 is an integer, too
    if (!whole) {
      report_type(value, field, place);
      return nullptr;
    }
    check_range(value, field, place);
    return static_cast<std::int64_t>(value.as_number());
  }

  Json check_number(const Value& value, const FieldInfo& field, const Place& place) {
    if (!value.is(Value::Kind::integer) && !value.is(Value::Kind::number)) {
      report_type(value, field, place);
      return nullptr;
    }
    check_range(value, field, place);
    // Adding nothing makes -0.0 a 0.0, so that equal numbers have equal texts.
    return value.as_number() + 0.0;
  }

  void check_range(const Value& value, const FieldInfo& field, const Place& place) {
    if (const std::string error = range_error(value, field); !error.empty()) {
      report(place, value.where(), error);
    }
  }

  Json check_text(const Value& value, const FieldInfo& field, const Place& place) {
    if (!value.is(Value::Kind::string)) {
      report_type(value, field, place);
    } else if (field.type == Type::path && value.as_string().empty()) {
      report(place, value.where(), fmt::format("must be {}, and is empty", expected_phrase(field)));
    } else {
      return value.as_string();
    }
    return nullptr;
  }

  Json check_choice(const Value& value, const FieldInfo& field, const Place& place) {
    if (!value.is(Value::Kind::string)) {
      report_type(value, field, place);
      return nullptr;
    }
    const std::string& name = value.as_string();
    if (std::find(field.choices.begin(), field.choices.end(), name) == field.choices.end()) {
      const auto nearest = nearest_name(name, field.choices);
      report(place, value.where(),
             fmt::format("must be {}, got '{}'{}", expected_phrase(field), name,
                         nearest ? fmt::format("; did you mean '{}'?", *nearest) : ""));
      return nullptr;
    }
    return name;
  }

  Json check_list(const Value& value, const FieldInfo& field, const Place& place) {
    if (!value.is(Value::Kind::list)) {
      if (field.lone_item) return Json::array({check_field(value, *field.element, place)});
      report_type(value, field, place);
      return nullptr;
    }
    if (const std::string error = count_error(value.items().size(), field, "item");
        !error.empty()) {
      report(place, value.where(), error);
    }
    Json out = Json::array();
    for (const Value& item : value.items()) {
      out.push_back(
          check_field(item, *field.element, {join_index(place.path, out.size()), item.where()}));
    }
    return out;
  }

  Json check_table(const Value& value, const FieldInfo& field, const Place& place) {
    if (!value.is(Value::Kind::map)) {
      report_type(value, field, place);
      return nullptr;
    }
    if (const std::string error = count_error(value.entries().size(), field, "name");
        !error.empty()) {
      report(place, value.where(), error);
    }
    Json out = Json::object();
    for (const auto& [key, entry] : value.entries()) {
      out[key] =
          check_field(entry, *field.element, {join_key(place.path, key), value.key_location(key)});
    }
    return out;
  }

  Json check_object(const Value& value, const FieldInfo& field, const Place& place,
                    const Json* defaults) {
    if (!value.is(Value::Kind::map)) {
      const FieldInfo* only =
          field.shorthand.empty() ? nullptr : field.fields->find(field.shorthand);
      if (!only) {
        report_type(value, field, place);
        return nullptr;
      }
      const Value map = Value::map({{field.shorthand, value}}, value.where());
      return check_map(map, place, {{field.fields.get()}, noun_of(place), defaults}, true);
    }
    return check_map(value, place, {{field.fields.get()}, noun_of(place), defaults});
  }

  static std::string noun_of(const Place& place) { return fmt::format("'{}'", place.path); }

  Json check_plugin(const Value& value, const FieldInfo& field, const Place& place) {
    if (value.is(Value::Kind::string)) {
      return check_plugin_map(Value::map({{"plugin", value}}, value.where()), field, place);
    }
    if (value.is(Value::Kind::map)) return check_plugin_map(value, field, place);
    report_type(value, field, place);
    return nullptr;
  }

  Json check_plugin_map(const Value& map, const FieldInfo& field, const Place& place) {
    const std::string noun = plugin_noun(field.plugin_kind);
    const Value* choice = map.find("plugin");
    if (!choice) {
      report_missing_plugin(map, noun, field, place);
      return nullptr;
    }
    if (!choice->is(Value::Kind::string)) {
      report({join_key(place.path, "plugin"), choice->where()}, choice->where(),
             fmt::format("must be the name of a plugin of kind {}, got {}", field.plugin_kind,
                         found_phrase(*choice)));
      return nullptr;
    }
    const std::string& name = choice->as_string();
    const SchemaInfo* parameters = catalog_.find_schema(field.plugin_kind, name);
    if (!parameters) {
      report_plain(
          {join_key(place.path, "plugin"), choice->where()},
          fmt::format("unknown {} '{}'{}", noun, name, plugin_advice(field.plugin_kind, name)));
      return nullptr;
    }
    MapKeys keys{{parameters}, fmt::format("{} '{}'", noun, name), nullptr, true};
    if (field.fields) keys.schemas.push_back(field.fields.get());
    Json out = check_map(map, place, keys);
    out["plugin"] = name;
    return out;
  }

  std::string plugin_advice(const std::string& kind, const std::string& name) const {
    for (const char* other : kPluginKinds) {
      const std::vector<std::string> names = catalog_.names(other);
      if (std::find(names.begin(), names.end(), name) == names.end()) continue;
      return fmt::format("; '{}' is of kind {}{}", name, other,
                         name_advice("", catalog_.names(kind), "there are"));
    }
    const std::vector<std::string> names = catalog_.names(kind);
    if (names.empty()) return fmt::format("; no plugins of kind {} were found", kind);
    return name_advice(name, names, "there are");
  }

  void report_missing_plugin(const Value& map, const std::string& noun, const FieldInfo& field,
                             const Place& place) {
    std::vector<std::string> keys;
    for (const auto& [key, value] : map.entries()) keys.push_back(key);
    const auto misspelt = nearest_name("plugin", keys);
    const std::string advice =
        misspelt ? fmt::format("; is '{}' meant to be it?", *misspelt)
                 : name_advice("", catalog_.names(field.plugin_kind), fmt::format("{}s", noun));
    report_plain({join_key(place.path, "plugin"), place.where},
                 fmt::format("missing key 'plugin' in '{}'{}", place.path, advice));
  }

  /// @param is_shorthand the one value of the map stands for the map itself, so errors name the
  /// map's path
  Json check_map(const Value& map, const Place& place, const MapKeys& keys,
                 bool is_shorthand = false) {
    Json out = Json::object();
    for (const auto& [key, value] : map.entries()) {
      const Place entry{is_shorthand ? place.path : join_key(place.path, key),
                        map.key_location(key)};
      const FieldInfo* field = keys.find(key);
      if (field) {
        out[key] = check_field(value, *field, entry, default_of(*field, keys));
      } else if ((key == "plugin" && keys.names_plugin) ||
                 (place.path.empty() && is_free_form_key(key))) {
        continue;
      } else {
        report_unknown_key(key, keys, entry);
      }
    }
    for (const SchemaInfo* schema : keys.schemas) {
      for (const FieldInfo& field : schema->fields) {
        if (!map.find(field.name)) out[field.name] = absent_field(field, keys, place);
      }
    }
    return out;
  }

  void report_unknown_key(const std::string& key, const MapKeys& keys, const Place& place) {
    std::vector<std::string> names = keys.names();
    const auto nearest = nearest_name(key, names);
    const auto nearest_special = nearest_name(key, {"extends", "plugin", "meta", "sweep"});
    const std::string advice = !nearest && nearest_special
                                   ? fmt::format("; did you mean '{}'?", *nearest_special)
                               : names.empty() ? "; it has no keys"
                                               : name_advice(key, names, "valid keys");
    report_plain(place, fmt::format("unknown key '{}' in {}{}", key, keys.noun, advice));
  }

  static const Json* default_of(const FieldInfo& field, const MapKeys& keys) {
    const bool given =
        keys.defaults && keys.defaults->is_object() && keys.defaults->contains(field.name);
    const Json& value = given ? keys.defaults->at(field.name) : field.default_value;
    return value.is_null() ? nullptr : &value;
  }

  Json absent_field(const FieldInfo& field, const MapKeys& keys, const Place& parent) {
    const Place place{join_key(parent.path, field.name), parent.where};
    if (field.required) {
      report_plain(place, fmt::format("missing key '{}' in {}{}{}", field.name, keys.noun,
                                      field.doc.empty() ? "" : ": ", field.doc));
      return nullptr;
    }
    const Json* value = default_of(field, keys);
    if (field.nullable && !value) return nullptr;
    // Keys that a section requires are missing, too, where the section itself is not there.
    if (field.type == Type::object) {
      return check_object(Value::map({}, place.where), field, place, value);
    }
    if (!value) return nullptr;
    const bool outer = std::exchange(in_default_, true);
    Json out = check_field(value_of_json(*value, place.where), field, place);
    in_default_ = outer;
    return out;
  }

  Json check_reference(const Value& value, const FieldInfo& field, const Place& place) {
    if (!value.is(Value::Kind::string)) {
      report_type(value, field, place);
      return nullptr;
    }
    const bool names_none = value.as_string().empty() && field.default_value == "";
    if (!names_none) {
      references_.push_back({field.section, value.as_string(), place.path, value.where()});
    }
    return value.as_string();
  }

  const PluginCatalog& catalog_;
  std::vector<Diagnostic> errors_;
  std::set<std::tuple<std::string, std::string, std::string>> said_;
  bool in_default_ = false;
  std::vector<ReferenceUse> references_;
};

}  // namespace

CheckedExperiment check_experiment(const Value& root, const SchemaInfo& schema,
                                   const PluginCatalog& catalog) {
  Checker checker(catalog);
  CheckedExperiment out;
  out.description = checker.check_root(root, schema);
  out.errors = std::move(checker).errors();
  return out;
}

Json checked_description(const Value& root, const SchemaInfo& schema,
                         const PluginCatalog& catalog) {
  CheckedExperiment checked = check_experiment(root, schema, catalog);
  if (!checked.errors.empty()) throw ConfigError(std::move(checked.errors));
  return std::move(checked.description);
}

Json complete_parameters(const std::string& kind, const std::string& name, const Json& given,
                         const PluginCatalog& catalog) {
  const SchemaInfo* schema = catalog.find_schema(kind, name);
  if (!schema) {
    throw PluginError(fmt::format("unknown {} '{}'{}", plugin_noun(kind), name,
                                  name_advice(name, catalog.names(kind), "there are")));
  }
  Checker checker(catalog);
  Json out = checker.check_plugin_keys(value_of_json(given, {}), kind, name, *schema);
  const std::vector<Diagnostic> errors = std::move(checker).errors();
  if (!errors.empty()) throw ConfigError(errors);
  out["plugin"] = name;
  return out;
}

bool is_free_form_key(std::string_view key) { return key == "meta" || key.starts_with("x-"); }

}  // namespace modeldiff
