#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "modeldiff/core/error.h"
#include "modeldiff/core/json.h"

/// Parameters are declared once, beside the struct that holds them. From the declaration come the
/// check of the experiment file, `modeldiff describe`, the tables of the documentation, the JSON
/// Schema and the frozen description.
namespace modeldiff {

struct SchemaInfo;

/// What may stand under one key. Plain data: it travels in a plugin's manifest, so that a file is
/// checked without loading the plugin.
struct FieldInfo {
  enum class Type {
    boolean,
    integer,
    number,
    text,
    choice,     // one of `choices`
    list,       // of `element`
    table,      // name -> `element`
    object,     // `fields`
    plugin,     // {plugin: NAME, ...}: the keys of the plugin of kind `plugin_kind`, and `fields`
    reference,  // the name of an entry of the file's section `section`
    path,  // a file or folder, searched in the data folders; its content is part of the identity
    any,   // free form
  };

  std::string name;
  Type type = Type::any;
  std::string doc;
  std::string unit;
  bool required = false;
  bool nullable = false;  // may be left out, and is then null
  bool semantic = true;   // false: the value changes no result, so it is no part of any identity
  Json default_value;
  std::optional<double> minimum, maximum;
  bool exclusive_minimum = false, exclusive_maximum = false;
  std::optional<std::int64_t> min_items, max_items;
  std::vector<std::string> choices;
  std::string plugin_kind;
  std::string section;
  /// object: the key that a lone scalar stands for, `seed: 3` for `seed: {value: 3}`; empty: none.
  std::string shorthand;
  /// list: an item alone stands for a list of one, `keep: 0.5` for `keep: [0.5]`.
  bool lone_item = false;
  std::shared_ptr<FieldInfo> element;
  std::shared_ptr<SchemaInfo> fields;
};

/// The parameters of one plugin or one section of an experiment file.
struct MODELDIFF_API SchemaInfo {
  std::string name;
  std::vector<FieldInfo> fields;

  const FieldInfo* find(const std::string& key) const;
};

MODELDIFF_API std::string_view type_name(FieldInfo::Type type);
MODELDIFF_API Json to_json(const SchemaInfo& schema);
/// @throws DataError on text that to_json did not make
MODELDIFF_API SchemaInfo schema_from_json(const Json& json);

/// A nested plugin: an algorithm's model, for example. `params` is complete: defaults are filled
/// in.
struct PluginChoice {
  std::string plugin;
  Json params = Json::object();
};

/// The name of an entry of another section of the file, `init: {from: pretrained}`.
struct Reference {
  std::string name;
};

/// A file or folder as the experiment file names it; `Resources::resolve` finds it.
struct DataPath {
  std::string text;
};

/// Names of an enumeration, in the file: specialise with `static constexpr std::pair<E, const
/// char*> names[]`.
template <typename E>
struct Choices;

namespace schema_detail {

template <typename M>
struct IsVector : std::false_type {};
template <typename E>
struct IsVector<std::vector<E>> : std::true_type {
  using Element = E;
};
template <typename M>
struct IsOptional : std::false_type {};
template <typename E>
struct IsOptional<std::optional<E>> : std::true_type {
  using Element = E;
};
template <typename M>
struct IsTable : std::false_type {};
template <typename E>
struct IsTable<std::map<std::string, E>> : std::true_type {
  using Element = E;
};

/// @throws InternalError: the file was checked before, so a mismatch here is our bug
[[noreturn]] MODELDIFF_API void fail_read(const char* expected, const Json& found);

}  // namespace schema_detail

/// How a member of type M is described, read and written.
template <typename M>
struct FieldTraits {
  static void describe(FieldInfo& info) {
    using namespace schema_detail;
    if constexpr (std::is_same_v<M, bool>) {
      info.type = FieldInfo::Type::boolean;
    } else if constexpr (std::is_integral_v<M>) {
      info.type = FieldInfo::Type::integer;
    } else if constexpr (std::is_floating_point_v<M>) {
      info.type = FieldInfo::Type::number;
    } else if constexpr (std::is_same_v<M, std::string>) {
      info.type = FieldInfo::Type::text;
    } else if constexpr (std::is_enum_v<M>) {
      info.type = FieldInfo::Type::choice;
      for (const auto& entry : Choices<M>::names) info.choices.emplace_back(entry.second);
    } else if constexpr (std::is_same_v<M, PluginChoice>) {
      info.type = FieldInfo::Type::plugin;
    } else if constexpr (std::is_same_v<M, Reference>) {
      info.type = FieldInfo::Type::reference;
    } else if constexpr (std::is_same_v<M, DataPath>) {
      info.type = FieldInfo::Type::path;
    } else if constexpr (std::is_same_v<M, Json>) {
      info.type = FieldInfo::Type::any;
    } else if constexpr (IsOptional<M>::value) {
      FieldTraits<typename IsOptional<M>::Element>::describe(info);
      info.nullable = true;
    } else if constexpr (IsVector<M>::value || IsTable<M>::value) {
      using Element =
          typename std::conditional_t<IsVector<M>::value, IsVector<M>, IsTable<M>>::Element;
      info.type = IsVector<M>::value ? FieldInfo::Type::list : FieldInfo::Type::table;
      info.element = std::make_shared<FieldInfo>();
      FieldTraits<Element>::describe(*info.element);
    } else {
      info.type = FieldInfo::Type::object;
      info.fields = std::make_shared<SchemaInfo>(M::schema().info());
    }
  }

  static M read(const Json& json) {
    using namespace schema_detail;
    if constexpr (std::is_enum_v<M>) {
      for (const auto& [value, name] : Choices<M>::names) {
        if (json == name) return value;
      }
      fail_read("a named choice", json);
    } else if constexpr (std::is_same_v<M, PluginChoice>) {
      if (!json.is_object() || !json.contains("plugin")) fail_read("a plugin", json);
      return {json.at("plugin").get<std::string>(), json};
    } else if constexpr (std::is_same_v<M, Reference> || std::is_same_v<M, DataPath>) {
      if (!json.is_string()) fail_read("a name", json);
      return {json.get<std::string>()};
    } else if constexpr (std::is_same_v<M, Json>) {
      return json;
    } else if constexpr (IsOptional<M>::value) {
      if (json.is_null()) return std::nullopt;
      return FieldTraits<typename IsOptional<M>::Element>::read(json);
    } else if constexpr (IsVector<M>::value) {
      M out;
      for (const Json& item : json) out.push_back(FieldTraits<typename M::value_type>::read(item));
      return out;
    } else if constexpr (IsTable<M>::value) {
      M out;
      for (const auto& [key, item] : json.items())
        out.emplace(key, FieldTraits<typename M::mapped_type>::read(item));
      return out;
    } else if constexpr (std::is_arithmetic_v<M> || std::is_same_v<M, std::string>) {
      return json.get<M>();
    } else {
      return M::schema().read(json);
    }
  }

  static Json write(const M& value) {
    using namespace schema_detail;
    if constexpr (std::is_enum_v<M>) {
      for (const auto& [choice, name] : Choices<M>::names) {
        if (choice == value) return name;
      }
      return nullptr;
    } else if constexpr (std::is_same_v<M, PluginChoice>) {
      if (value.plugin.empty()) return nullptr;
      Json out = value.params;
      out["plugin"] = value.plugin;
      return out;
    } else if constexpr (std::is_same_v<M, Reference>) {
      return value.name;
    } else if constexpr (std::is_same_v<M, DataPath>) {
      return value.text;
    } else if constexpr (IsOptional<M>::value) {
      return value ? FieldTraits<typename IsOptional<M>::Element>::write(*value) : Json(nullptr);
    } else if constexpr (IsVector<M>::value) {
      Json out = Json::array();
      for (const auto& item : value)
        out.push_back(FieldTraits<typename M::value_type>::write(item));
      return out;
    } else if constexpr (IsTable<M>::value) {
      Json out = Json::object();
      for (const auto& [key, item] : value)
        out[key] = FieldTraits<typename M::mapped_type>::write(item);
      return out;
    } else if constexpr (std::is_arithmetic_v<M> || std::is_same_v<M, std::string> ||
                         std::is_same_v<M, Json>) {
      return value;
    } else {
      return M::schema().write(value);
    }
  }
};

/// What is said of a field beside its name, member and doc.
using FieldRule = std::function<void(FieldInfo&)>;

MODELDIFF_API FieldRule at_least(double bound);
MODELDIFF_API FieldRule at_most(double bound);
MODELDIFF_API FieldRule more_than(double bound);
MODELDIFF_API FieldRule less_than(double bound);
/// For the elements of a list: each_item(at_least(1)).
MODELDIFF_API FieldRule each_item(FieldRule rule);
MODELDIFF_API FieldRule item_count(std::int64_t least, std::int64_t most);
MODELDIFF_API FieldRule unit(std::string name);
MODELDIFF_API FieldRule one_of(std::vector<std::string> choices);
/// The value changes no result: it is left out of every identity.
MODELDIFF_API FieldRule not_semantic();
/// The member is, or its elements are, plugins of this kind.
MODELDIFF_API FieldRule plugin_of(std::string kind);
/// ... with keys that belong to the section rather than to the plugin.
MODELDIFF_API FieldRule plugin_of(std::string kind, SchemaInfo section_keys);
MODELDIFF_API FieldRule names_entry_of(std::string section);
/// A lone scalar stands for {key: scalar}.
MODELDIFF_API FieldRule shorthand_for(std::string key);
/// An item alone stands for a list of one.
MODELDIFF_API FieldRule lone_item();

/// The parameters T, in the order of the documentation.
///   static Schema<SourceParams> schema() {
///     return Schema<SourceParams>("source")
///         .field("segments", &SourceParams::segments, "Parts of the run.", at_least(1));
///   }
/// Defaults are the member initialisers of T and stand nowhere else.
template <typename T>
class Schema {
 public:
  explicit Schema(std::string name) { info_.name = std::move(name); }

  template <typename M, typename... Rules>
  Schema& field(const std::string& key, M T::* member, std::string doc, Rules&&... rules) {
    add(key, member, std::move(doc), std::forward<Rules>(rules)...).default_value =
        FieldTraits<M>::write(T{}.*member);
    return *this;
  }

  /// A key that has no default and must be given.
  template <typename M, typename... Rules>
  Schema& required(const std::string& key, M T::* member, std::string doc, Rules&&... rules) {
    add(key, member, std::move(doc), std::forward<Rules>(rules)...).required = true;
    return *this;
  }

  const SchemaInfo& info() const { return info_; }

  /// @param json checked, with all defaults filled in; keys that are not of T are passed over
  T read(const Json& json) const {
    T out{};
    for (const auto& [key, access] : access_) {
      if (auto at = json.find(key); at != json.end()) access.read(out, *at);
    }
    return out;
  }

  Json write(const T& value) const {
    Json out = Json::object();
    for (const auto& [key, access] : access_) out[key] = access.write(value);
    return out;
  }

 private:
  struct Access {
    std::function<void(T&, const Json&)> read;
    std::function<Json(const T&)> write;
  };

  template <typename M, typename... Rules>
  FieldInfo& add(const std::string& key, M T::* member, std::string doc, Rules&&... rules) {
    FieldInfo info;
    info.name = key;
    info.doc = std::move(doc);
    FieldTraits<M>::describe(info);
    (rules(info), ...);
    info_.fields.push_back(std::move(info));
    access_.push_back(
        {key,
         {[member](T& out, const Json& json) { out.*member = FieldTraits<M>::read(json); },
          [member](const T& value) { return FieldTraits<M>::write(value.*member); }}});
    return info_.fields.back();
  }

  SchemaInfo info_;
  std::vector<std::pair<std::string, Access>> access_;
};

}  // namespace modeldiff
