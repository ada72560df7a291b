#include "modeldiff/core/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

namespace modeldiff {

struct Value::Node {
  std::variant<std::monostate, bool, std::int64_t, double, std::string, List, Map> content;
  SourceLocation where;
  std::vector<SourceLocation> key_locations;
};

Value::Value() : Value(null()) {}
Value Value::null(SourceLocation where) {
  return Value(std::make_shared<Node>(Node{{}, std::move(where), {}}));
}
Value Value::boolean(bool value, SourceLocation where) {
  return Value(std::make_shared<Node>(Node{value, std::move(where), {}}));
}
Value Value::integer(std::int64_t value, SourceLocation where) {
  return Value(std::make_shared<Node>(Node{value, std::move(where), {}}));
}
Value Value::number(double value, SourceLocation where) {
  return Value(std::make_shared<Node>(Node{value, std::move(where), {}}));
}
Value Value::string(std::string value, SourceLocation where) {
  return Value(std::make_shared<Node>(Node{std::move(value), std::move(where), {}}));
}
Value Value::list(List items, SourceLocation where) {
  return Value(std::make_shared<Node>(Node{std::move(items), std::move(where), {}}));
}
Value Value::map(Map entries, SourceLocation where, std::vector<SourceLocation> key_locations) {
  MODELDIFF_CHECK(key_locations.empty() || key_locations.size() == entries.size(),
                  "one location for each key");
  return Value(
      std::make_shared<Node>(Node{std::move(entries), std::move(where), std::move(key_locations)}));
}

Value::Kind Value::kind() const { return static_cast<Kind>(node_->content.index()); }
const SourceLocation& Value::where() const { return node_->where; }

namespace {

template <typename T, typename Content>
const T& content_as(const Content& content, std::string_view wanted, const Value& value) {
  const T* found = std::get_if<T>(&content);
  MODELDIFF_CHECK(found, fmt::format("wanted {}, found {}", wanted, value.described()));
  return *found;
}

}  // namespace

bool Value::as_boolean() const { return content_as<bool>(node_->content, "a boolean", *this); }
std::int64_t Value::as_integer() const {
  return content_as<std::int64_t>(node_->content, "an integer", *this);
}
double Value::as_number() const {
  if (is(Kind::integer)) return static_cast<double>(as_integer());
  return content_as<double>(node_->content, "a number", *this);
}
const std::string& Value::as_string() const {
  return content_as<std::string>(node_->content, "a string", *this);
}
const Value::List& Value::items() const {
  return content_as<List>(node_->content, "a list", *this);
}
const Value::Map& Value::entries() const { return content_as<Map>(node_->content, "a map", *this); }

const Value* Value::find(std::string_view key) const {
  for (const auto& [name, value] : entries()) {
    if (name == key) return &value;
  }
  return nullptr;
}

SourceLocation Value::key_location(std::string_view key) const {
  const Map& all = entries();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].first == key)
      return node_->key_locations.empty() ? all[i].second.where() : node_->key_locations[i];
  }
  return where();
}

std::string Value::described() const {
  switch (kind()) {
    case Kind::null:
      return "nothing";
    case Kind::boolean:
      return as_boolean() ? "the boolean true" : "the boolean false";
    case Kind::integer:
      return fmt::format("the integer {}", as_integer());
    case Kind::number:
      return fmt::format("the number {}", as_number());
    case Kind::string:
      return fmt::format("the string '{}'", as_string());
    case Kind::list:
      return fmt::format("a list of {}", items().size());
    case Kind::map:
      return "a map";
  }
  return {};
}

Json Value::to_json() const {
  switch (kind()) {
    case Kind::null:
      return nullptr;
    case Kind::boolean:
      return as_boolean();
    case Kind::integer:
      return as_integer();
    case Kind::number:
      return as_number();
    case Kind::string:
      return as_string();
    case Kind::list: {
      Json out = Json::array();
      for (const Value& item : items()) out.push_back(item.to_json());
      return out;
    }
    case Kind::map: {
      Json out = Json::object();
      for (const auto& [key, value] : entries()) out[key] = value.to_json();
      return out;
    }
  }
  return {};
}

std::string_view kind_name(Value::Kind kind) {
  constexpr std::string_view kNames[] = {"null",   "boolean", "integer", "number",
                                         "string", "list",    "map"};
  return kNames[static_cast<int>(kind)];
}

}  // namespace modeldiff
