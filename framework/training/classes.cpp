#include "training/classes.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "config/nearest.h"
#include "modeldiff/core/error.h"

namespace modeldiff {

std::int64_t class_index(const DataFacts& facts, const Json& value, const std::string& path) {
  if (facts.task != Task::classification)
    throw ConfigError(path, fmt::format("'{}' has no classes", facts.name));
  if (!value.is_string() && !value.is_number_integer()) {
    throw ConfigError(path,
                      fmt::format("must be the name or number of a class, got {}", value.dump()));
  }
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  const auto named = std::find(facts.class_names.begin(), facts.class_names.end(), text);
  if (named != facts.class_names.end()) return named - facts.class_names.begin();
  std::int64_t number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw ConfigError(path, fmt::format("'{}' has no class '{}'{}", facts.name, text,
                                        name_advice(text, facts.class_names, "it has")));
  }
  if (number < 0 || number >= facts.outputs) {
    throw ConfigError(path, fmt::format("must be below {}, the number of classes of '{}', got {}",
                                        facts.outputs, facts.name, number));
  }
  return number;
}

std::string class_name(const DataFacts& facts, std::int64_t label) {
  const auto at = static_cast<std::size_t>(label);
  return at < facts.class_names.size() ? facts.class_names[at] : std::to_string(label);
}

}  // namespace modeldiff
