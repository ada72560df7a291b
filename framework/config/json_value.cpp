#include "config/json_value.h"

namespace modeldiff {

Value value_of_json(const Json& json, const SourceLocation& where) {
  switch (json.type()) {
    case Json::value_t::boolean:
      return Value::boolean(json.get<bool>(), where);
    case Json::value_t::number_integer:
      return Value::integer(json.get<std::int64_t>(), where);
    case Json::value_t::number_unsigned: {
      const auto value = json.get<std::uint64_t>();
      if (value > static_cast<std::uint64_t>(INT64_MAX)) {
        return Value::number(static_cast<double>(value), where);
      }
      return Value::integer(static_cast<std::int64_t>(value), where);
    }
    case Json::value_t::number_float:
      return Value::number(json.get<double>(), where);
    case Json::value_t::string:
      return Value::string(json.get<std::string>(), where);
    case Json::value_t::array: {
      Value::List items;
      for (const Json& item : json) items.push_back(value_of_json(item, where));
      return Value::list(std::move(items), where);
    }
    case Json::value_t::object: {
      Value::Map entries;
      for (const auto& [key, item] : json.items()) {
        entries.emplace_back(key, value_of_json(item, where));
      }
      return Value::map(std::move(entries), where);
    }
    default:
      return Value::null(where);
  }
}

}  // namespace modeldiff
