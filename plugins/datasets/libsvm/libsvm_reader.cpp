#include "libsvm_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include "common/number_text.h"
#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

std::optional<SparseTable::Entry> parse_entry(std::string_view token) {
  const std::size_t colon = token.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  SparseTable::Entry entry{};
  const auto [end, error] = std::from_chars(token.data(), token.data() + colon, entry.index);
  const auto value = parse_number(token.substr(colon + 1));
  if (error != std::errc() || end != token.data() + colon || entry.index < 0 || !value)
    return std::nullopt;
  entry.value = static_cast<float>(*value);
  return entry;
}

/// The next word of the line, taken away from it; "" at its end.
std::string_view next_token(std::string_view& line) {
  line = trimmed(line);
  const std::string_view token = line.substr(0, line.find_first_of(" \t"));
  line.remove_prefix(token.size());
  return token;
}

}  // namespace

SparseTable parse_libsvm(std::string_view text, const std::string& name) {
  SparseTable table;
  table.name = name;
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (std::int64_t line_number = 1; !text.empty(); ++line_number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    line = line.substr(0, line.find('#'));

    const std::string_view label = next_token(line);
    if (label.empty()) continue;
    const auto value = parse_number(label);
    if (!value)
      throw DataError(
          fmt::format("{}:{}: the label '{}' is no finite number", name, line_number, label));
    table.labels.push_back(*value);
    table.begins.push_back(table.entries.size());
    std::int64_t previous = -1;
    for (std::string_view token = next_token(line); !token.empty(); token = next_token(line)) {
      const auto entry = parse_entry(token);
      if (!entry) {
        throw DataError(fmt::format("{}:{}: expected INDEX:VALUE with finite numbers, found '{}'",
                                    name, line_number, token));
      }
      if (entry->index <= previous) {
        throw DataError(fmt::format("{}:{}: index {} follows {}; indices must ascend", name,
                                    line_number, entry->index, previous));
      }
      previous = entry->index;
      least = std::min(least, entry->index);
      table.largest_index = std::max(table.largest_index, entry->index);
      table.entries.push_back(*entry);
    }
  }
  table.begins.push_back(table.entries.size());
  if (table.labels.empty()) throw DataError(name + ": has no rows");
  table.least_index = table.entries.empty() ? 0 : least;
  return table;
}

}  // namespace modeldiff
