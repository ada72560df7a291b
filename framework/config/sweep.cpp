#include "config/sweep.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <utility>

#include "config/key_path.h"

namespace modeldiff {
namespace {

[[noreturn]] void fail(const SourceLocation& where, const std::string& path, std::string message) {
  throw ConfigError({{where, path, std::move(message)}});
}

std::optional<std::pair<std::int64_t, std::int64_t>> parse_range(std::string_view text) {
  const std::size_t dots = text.find("..");
  if (dots == std::string_view::npos) return std::nullopt;
  std::int64_t first = 0, last = 0;
  const char* end = text.data() + text.size();
  const auto from = std::from_chars(text.data(), text.data() + dots, first);
  const auto to = std::from_chars(text.data() + dots + 2, end, last);
  if (from.ec != std::errc() || from.ptr != text.data() + dots) return std::nullopt;
  if (to.ec != std::errc() || to.ptr != end) return std::nullopt;
  return std::pair(first, last);
}

/// "0..9" -> [0, 1, ..., 9]
Value::List expand_range(const Value& text, const std::string& path) {
  const auto range = parse_range(text.as_string());
  if (!range) {
    fail(text.where(), path,
         fmt::format("sweep: '{}' is no range such as 0..9; a list is [a, b]", text.as_string()));
  }
  const auto [first, last] = *range;
  if (last < first) {
    fail(text.where(), path, fmt::format("sweep: the range {} is empty", text.as_string()));
  }
  // As unsigned numbers, since the difference of two integers need not be one.
  const auto steps = static_cast<std::uint64_t>(last) - static_cast<std::uint64_t>(first);
  if (steps >= static_cast<std::uint64_t>(kMaxSweepExperiments)) {
    fail(text.where(), path,
         fmt::format("sweep: the range {} has more than {} values", text.as_string(),
                     kMaxSweepExperiments));
  }
  Value::List values;
  for (std::uint64_t i = 0; i <= steps; ++i) {
    values.push_back(Value::integer(first + static_cast<std::int64_t>(i), text.where()));
  }
  return values;
}

/// A value as it may stand in a file name; its number in the list when it is no scalar.
std::string name_of(const Value& value, std::size_t index) {
  if (value.is(Value::Kind::map) || value.is(Value::Kind::list)) {
    return fmt::format("{}", index + 1);
  }
  std::string text = value.is(Value::Kind::string) ? value.as_string() : value.to_json().dump();
  for (char& c : text) {
    const bool plain =
        std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '+' || c == '-';
    if (!plain) c = '-';
  }
  return text.size() > 40 ? fmt::format("{}", index + 1) : text;
}

/// The last key of each path, or the whole path where two end alike.
std::vector<std::string> axis_names(const std::vector<SweepAxis>& axes) {
  const auto count_ending = [&](const std::string& key) {
    return std::count_if(axes.begin(), axes.end(),
                         [&](const SweepAxis& axis) { return axis.target.parts.back() == key; });
  };
  std::vector<std::string> names;
  for (const SweepAxis& axis : axes) {
    const std::vector<std::string>& parts = axis.target.parts;
    const bool is_index = parts.back().find_first_not_of("0123456789") == std::string::npos;
    names.push_back(is_index || count_ending(parts.back()) > 1
                        ? fmt::format("{}", fmt::join(parts, "."))
                        : parts.back());
  }
  return names;
}

/// The names of an axis' values, or their numbers where two values have one name.
std::vector<std::string> value_names(const SweepAxis& axis) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < axis.values.size(); ++i) names.push_back(name_of(axis.values[i], i));
  if (std::set<std::string>(names.begin(), names.end()).size() == names.size()) return names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = fmt::format("{}", i + 1);
  return names;
}

}  // namespace

SweepAxis sweep_axis(Override target) {
  SweepAxis axis;
  const Value values = target.value;
  if (values.is(Value::Kind::string)) {
    axis.values = expand_range(values, target.path);
  } else if (values.is(Value::Kind::list)) {
    axis.values = values.items();
  } else {
    fail(values.where(), target.path,
         fmt::format("sweep: '{}' needs a list of values or a range such as 0..9, got {}",
                     target.path, values.described()));
  }
  if (axis.values.empty()) {
    fail(values.where(), target.path, fmt::format("sweep: '{}' has no values", target.path));
  }
  axis.target = std::move(target);
  return axis;
}

std::vector<SweepAxis> parse_sweep(const Value& section) {
  if (!section.is(Value::Kind::map)) {
    fail(section.where(), "sweep",
         fmt::format("sweep must map key paths to lists of values, got {}", section.described()));
  }
  std::vector<SweepAxis> axes;
  std::vector<Diagnostic> errors;
  for (const auto& [path, values] : section.entries()) {
    const SourceLocation where = section.key_location(path);
    const auto parts = split_key_path(path);
    if (!parts) {
      errors.push_back({where, "sweep",
                        fmt::format("sweep: '{}' is no key path such as algorithms.A.lr", path)});
      continue;
    }
    try {
      axes.push_back(sweep_axis({path, *parts, false, values, where}));
    } catch (const ConfigError& e) {
      errors.insert(errors.end(), e.diagnostics().begin(), e.diagnostics().end());
    }
  }
  if (!errors.empty()) throw ConfigError(std::move(errors));
  return axes;
}

std::vector<SweepChoice> sweep_choices(const std::vector<SweepAxis>& axes) {
  std::size_t count = 1;
  for (const SweepAxis& axis : axes) {
    count *= axis.values.size();
    if (count > static_cast<std::size_t>(kMaxSweepExperiments)) {
      fail(axis.target.where, "sweep",
           fmt::format(
               "the sweep makes {} experiments up to here, and at most {} are made of one file",
               count, kMaxSweepExperiments));
    }
  }
  std::vector<SweepChoice> choices;
  for (std::size_t number = 0; number < count; ++number) {
    SweepChoice choice(axes.size());
    std::size_t rest = number;
    for (std::size_t a = axes.size(); a-- > 0;) {
      choice[a] = rest % axes[a].values.size(), rest /= axes[a].values.size();
    }
    choices.push_back(std::move(choice));
  }
  return choices;
}

std::vector<std::string> sweep_names(const std::vector<SweepAxis>& axes,
                                     const std::vector<SweepChoice>& choices) {
  const std::vector<std::string> keys = axis_names(axes);
  std::vector<std::vector<std::string>> values;
  for (const SweepAxis& axis : axes) values.push_back(value_names(axis));
  std::vector<std::string> names;
  for (const SweepChoice& choice : choices) {
    std::vector<std::string> parts;
    for (std::size_t a = 0; a < axes.size(); ++a) {
      parts.push_back(fmt::format("{}={}", keys[a], values[a][choice[a]]));
    }
    names.push_back(fmt::format("{}", fmt::join(parts, ",")));
  }
  return names;
}

}  // namespace modeldiff
