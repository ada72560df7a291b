#include "config/check_words.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "config/scalar.h"

namespace modeldiff {
namespace {

using Type = FieldInfo::Type;

constexpr std::size_t kLongestPhrase = 60;

bool is_scalar(const Value& value) {
  return !value.is(Value::Kind::map) && !value.is(Value::Kind::list) &&
         !value.is(Value::Kind::null);
}

std::string scalar_text(const Value& value) {
  return value.is(Value::Kind::string) ? value.as_string() : value.to_json().dump();
}

std::string advice_for_number(std::string text) {
  if (reads_as_number(text)) return "; leave out the quotes";
  const bool has_underscores = std::erase(text, '_') > 0;
  return has_underscores && reads_as_number(text) ? fmt::format("; write {}", text) : "";
}

std::string advice_for_boolean(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (text == "yes" || text == "on" || text == "true") return "; write true";
  if (text == "no" || text == "off" || text == "false") return "; write false";
  return "";
}

}  // namespace

std::string expected_phrase(const FieldInfo& field) {
  switch (field.type) {
    case Type::boolean:
      return "true or false";
    case Type::integer:
      return "an integer";
    case Type::number:
      return "a number";
    case Type::text:
      return "a string";
    case Type::choice:
      return fmt::format("one of {}", fmt::join(field.choices, ", "));
    case Type::list:
      return "a list";
    case Type::table:
      return "a map of names";
    case Type::object:
      return "a map";
    case Type::plugin:
      return "the name of a plugin, or a map with the key 'plugin'";
    case Type::reference:
      return fmt::format("the name of an entry of '{}'", field.section);
    case Type::path:
      return "the path of a file or folder";
    case Type::any:
      return "a value";
  }
  return "";
}

std::string found_phrase(const Value& value) {
  std::string text = value.described();
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  if (text.size() <= kLongestPhrase) return text;
  std::size_t cut = kLongestPhrase;
  while ((static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;
  return text.substr(0, cut) + (value.is(Value::Kind::string) ? "...'" : "...");
}

std::string mending_advice(const Value& value, const FieldInfo& field) {
  if (!is_scalar(value)) return "";
  if (field.type == Type::list) return fmt::format("; a list of one is [{}]", scalar_text(value));
  if (field.type == Type::text) return "; quotes make it a string";
  if (!value.is(Value::Kind::string)) return "";
  if (field.type == Type::boolean) return advice_for_boolean(value.as_string());
  const bool wants_number = field.type == Type::integer || field.type == Type::number;
  return wants_number ? advice_for_number(value.as_string()) : "";
}

std::string range_error(const Value& value, const FieldInfo& field) {
  const double number = value.as_number();
  const auto error = [&](const char* relation, double bound) {
    return fmt::format("must be {} {}, got {}", relation, bound,
                       value.is(Value::Kind::integer) ? fmt::format("{}", value.as_integer())
                                                      : fmt::format("{}", number));
  };
  if (field.minimum && field.exclusive_minimum && number <= *field.minimum) {
    return error("more than", *field.minimum);
  }
  if (field.minimum && number < *field.minimum) return error("at least", *field.minimum);
  if (field.maximum && field.exclusive_maximum && number >= *field.maximum) {
    return error("less than", *field.maximum);
  }
  if (field.maximum && number > *field.maximum) return error("at most", *field.maximum);
  return "";
}

std::string count_error(std::size_t count, const FieldInfo& field, const std::string& items) {
  const auto number = static_cast<std::int64_t>(count);
  const bool few = field.min_items && number < *field.min_items;
  const bool many = field.max_items && number > *field.max_items;
  if (!few && !many) return "";
  const std::int64_t bound = few ? *field.min_items : *field.max_items;
  const bool exact = field.min_items && field.max_items && *field.min_items == *field.max_items;
  const char* relation = exact ? "" : few ? "at least " : "at most ";
  return fmt::format("must have {}{} {}{}, got {}", relation, bound, items, bound == 1 ? "" : "s",
                     count);
}

}  // namespace modeldiff
