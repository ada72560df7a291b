#include "config/expect.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "config/key_path.h"
#include "config/nearest.h"
#include "config/scalar.h"
#include "config/yaml.h"

namespace modeldiff {
namespace {

using Test = Condition::Test;

constexpr const char* kForms =
    "a condition is '<= 0.05', '> 3', '== true', '!= 0', '== 0.3 +- 0.02' or 'in [0.1, 0.3]'";
// Result paths that are looked through for a near name.
constexpr std::size_t kMostCandidates = 5'000;

std::string trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\n");
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(" \t\n") - first + 1));
}

/// Raised inside this file, and located by the caller.
struct BadCondition {
  std::string message;
};

Json scalar_of(const std::string& text) {
  const std::string word = trimmed(text);
  if (word.empty()) throw BadCondition{"a value is missing"};
  const PlainScalar scalar = resolve_plain_scalar(word, {});
  if (!scalar.error.empty()) throw BadCondition{scalar.error};
  return scalar.value.to_json();
}

Json number_of(const std::string& text) {
  Json value = scalar_of(text);
  if (!value.is_number()) throw BadCondition{fmt::format("'{}' is not a number", trimmed(text))};
  return value;
}

Condition parse_interval(std::string_view text) {
  const std::string inside = trimmed(text);
  const std::size_t comma = inside.find(',');
  if (inside.size() < 2 || inside.front() != '[' || inside.back() != ']' ||
      comma == std::string::npos) {
    throw BadCondition{fmt::format("'{}' is no interval such as [0.1, 0.3]", inside)};
  }
  Condition out;
  out.test = Test::within;
  out.bound = number_of(inside.substr(1, comma - 1));
  out.upper = number_of(inside.substr(comma + 1, inside.size() - comma - 2));
  if (out.bound > out.upper) throw BadCondition{fmt::format("the interval {} is empty", inside)};
  return out;
}

Condition parse_equal(const std::string& text) {
  Condition out;
  const std::size_t sign = text.find("+-");
  if (sign == std::string::npos) {
    out.bound = scalar_of(text);
  } else {
    out.bound = number_of(text.substr(0, sign));
    out.tolerance = number_of(text.substr(sign + 2)).get<double>();
    if (out.tolerance < 0) throw BadCondition{"the tolerance after '+-' is negative"};
  }
  return out;
}

Condition parse_condition(std::string_view text) {
  static constexpr std::pair<std::string_view, Test> kOperators[] = {
      {"<=", Test::at_most},   {">=", Test::at_least}, {"==", Test::equal},
      {"!=", Test::not_equal}, {"<", Test::less},      {">", Test::more}};
  const std::string whole = trimmed(text);
  if (whole.starts_with("in ") || whole.starts_with("in[")) {
    return parse_interval(std::string_view(whole).substr(2));
  }
  for (const auto& [name, test] : kOperators) {
    if (!whole.starts_with(name)) continue;
    const std::string rest = whole.substr(name.size());
    if (test == Test::equal) return parse_equal(rest);
    Condition out;
    out.test = test;
    out.bound = test == Test::not_equal ? scalar_of(rest) : number_of(rest);
    return out;
  }
  throw BadCondition{fmt::format("'{}' is no condition; {}", whole, kForms)};
}

Condition condition_of(const Value& value) {
  if (value.is(Value::Kind::string)) return parse_condition(value.as_string());
  if (value.is(Value::Kind::null)) {
    throw BadCondition{fmt::format("the condition is missing; {}", kForms)};
  }
  if (value.is(Value::Kind::list) || value.is(Value::Kind::map)) {
    throw BadCondition{fmt::format("{} is no condition; {}", value.described(), kForms)};
  }
  Condition equal;
  equal.bound = value.to_json();
  return equal;
}

/// Results hold null where a number is not finite, and may hold the number itself before they are
/// written.
bool is_value(const Json& found) {
  return !found.is_null() && !(found.is_number_float() && !std::isfinite(found.get<double>()));
}

bool equal_within(const Json& found, const Json& bound, double tolerance) {
  if (!found.is_number() || !bound.is_number() || tolerance == 0) return found == bound;
  return std::abs(found.get<double>() - bound.get<double>()) <= tolerance;
}

const Json* child_of(const Json& parent, const std::string& part) {
  if (parent.is_object()) {
    const auto found = parent.find(part);
    return found == parent.end() ? nullptr : &*found;
  }
  const bool is_index = parent.is_array() && part.size() < 10 &&
                        part.find_first_not_of("0123456789") == std::string::npos;
  if (!is_index || part.empty()) return nullptr;
  const std::size_t index = std::stoul(part);
  return index < parent.size() ? &parent[index] : nullptr;
}

const Json* find_in_result(const Json& result, const std::string& path) {
  const Json* at = &result;
  for (const std::string& part : split_key_path(path).value_or(std::vector<std::string>{})) {
    at = child_of(*at, part);
    if (!at) return nullptr;
  }
  return at;
}

void collect_paths(const Json& value, const std::string& path, std::vector<std::string>& paths) {
  if (paths.size() >= kMostCandidates) return;
  if (!value.is_structured()) {
    paths.push_back(path);
  } else if (value.is_object()) {
    for (const auto& [key, item] : value.items()) collect_paths(item, join_key(path, key), paths);
  } else {
    for (std::size_t i = 0; i < value.size(); ++i) {
      collect_paths(value[i], join_index(path, i), paths);
    }
  }
}

std::string note_on_missing(const Json& result, const std::string& path) {
  std::vector<std::string> paths;
  collect_paths(result, "", paths);
  const auto nearest = nearest_name(path, paths);
  return fmt::format("the result has no '{}'{}", path,
                     nearest ? fmt::format("; did you mean '{}'?", *nearest) : "");
}

std::string note_on_value(const Json& found, const Condition& condition) {
  const bool needs_number = condition.bound.is_number();
  if (!is_value(found)) return "not a finite number";
  if (found.is_structured()) {
    return fmt::format("{}, not a value", found.is_array() ? "a list" : "a map");
  }
  if (needs_number && !found.is_number()) return fmt::format("{} is not a number", found.dump());
  return "";
}

}  // namespace

bool Condition::holds(const Json& found) const {
  if (!is_value(found)) return false;
  if (test == Test::equal) return equal_within(found, bound, tolerance);
  if (test == Test::not_equal) return found != bound;
  if (!found.is_number() || !bound.is_number()) return false;
  switch (test) {
    case Test::less:
      return found < bound;
    case Test::at_most:
      return found <= bound;
    case Test::more:
      return found > bound;
    case Test::at_least:
      return found >= bound;
    default:
      return found >= bound && found <= upper;
  }
}

std::vector<Expectation> parse_expectations(const Value& section) {
  if (!section.is(Value::Kind::map)) {
    throw ConfigError({{section.where(), "expect",
                        fmt::format("expect must map paths of the result to conditions, got {}",
                                    section.described())}});
  }
  std::vector<Expectation> expectations;
  std::vector<Diagnostic> errors;
  for (const auto& [path, value] : section.entries()) {
    if (!split_key_path(path)) {
      errors.push_back({section.key_location(path), "expect",
                        fmt::format("expect: '{}' is no path such as compare.p_value", path)});
      continue;
    }
    try {
      const Condition condition = condition_of(value);
      const std::string text = value.is(Value::Kind::string)
                                   ? trimmed(value.as_string())
                                   : fmt::format("== {}", condition.bound.dump());
      expectations.push_back({path, text, condition, section.key_location(path)});
    } catch (const BadCondition& e) {
      errors.push_back({value.where(), join_key("expect", path),
                        fmt::format("expect: {}: {}", path, e.message)});
    }
  }
  if (!errors.empty()) throw ConfigError(std::move(errors));
  return expectations;
}

std::vector<ExpectationResult> evaluate_expectations(const std::vector<Expectation>& expectations,
                                                     const Json& result) {
  std::vector<ExpectationResult> rows;
  for (const Expectation& expectation : expectations) {
    ExpectationResult row{expectation.path, expectation.text, nullptr, false, "",
                          expectation.where};
    if (const Json* found = find_in_result(result, expectation.path)) {
      row.found = *found;
      row.holds = expectation.condition.holds(*found);
      if (!row.holds) row.note = note_on_value(*found, expectation.condition);
    } else {
      row.note = note_on_missing(result, expectation.path);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace modeldiff
