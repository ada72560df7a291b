#include "plugin_host/abi_tag.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace modeldiff {
namespace {

using Entries = std::vector<std::pair<std::string_view, std::string_view>>;

Entries entries_of(std::string_view tag) {
  Entries entries;
  for (std::size_t start = 0; start < tag.size();) {
    const std::size_t end = std::min(tag.find(';', start), tag.size());
    const std::string_view entry = tag.substr(start, end - start);
    const std::size_t equals = std::min(entry.find('='), entry.size());
    entries.emplace_back(entry.substr(0, equals), entry.substr(equals));
    start = end + 1;
  }
  return entries;
}

}  // namespace

std::vector<std::string> differing_abi_keys(std::string_view a, std::string_view b) {
  const Entries in_a = entries_of(a), in_b = entries_of(b);
  const auto has_key = [](const Entries& entries, std::string_view key) {
    return std::any_of(entries.begin(), entries.end(),
                       [&](const auto& entry) { return entry.first == key; });
  };
  std::vector<std::string> differing;
  for (const auto& entry : in_a) {
    if (std::find(in_b.begin(), in_b.end(), entry) == in_b.end())
      differing.emplace_back(entry.first);
  }
  for (const auto& entry : in_b) {
    if (!has_key(in_a, entry.first)) differing.emplace_back(entry.first);
  }
  return differing;
}

std::string build_of_results(std::string_view tag) {
  std::string build;
  for (const auto& [key, value] : entries_of(tag)) {
    if (key == "headers") continue;
    build += fmt::format("{}{}{}", build.empty() ? "" : ";", key, value);
  }
  return build;
}

std::string abi_mismatch_text(std::string_view plugin_tag, std::string_view host_tag) {
  return fmt::format(
      "it was not built for this program and this LibTorch\n  plugin   {}\n  program  {}\n"
      "they differ in {}; build the plugin again against this installation",
      plugin_tag, host_tag, fmt::join(differing_abi_keys(plugin_tag, host_tag), ", "));
}

}  // namespace modeldiff
