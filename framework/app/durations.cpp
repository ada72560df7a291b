#include "app/durations.h"

#include <fmt/format.h>

#include "modeldiff/core/hash.h"

namespace modeldiff {

Durations::Durations(const std::vector<Json>& attempts) {
  for (const Json& line : attempts) {
    if (!line.contains("seconds") || !line.contains("group")) continue;
    const auto seconds = line.at("seconds").get<double>();
    const auto group = line.at("group").get<std::string>();
    for (Mean* mean : {&by_group_[group], &by_kind_[group.substr(0, group.find('/'))]}) {
      mean->sum += seconds;
      mean->count += 1;
    }
  }
}

std::string Durations::group_of(const Plan& plan, const Cell& cell) {
  return fmt::format("{}/{}", cell.kind, sha256(plan.configs[cell.config].dump()).substr(0, 12));
}

std::optional<double> Durations::of(const Plan& plan, const Cell& cell) const {
  if (const auto at = by_group_.find(group_of(plan, cell)); at != by_group_.end()) return at->second.sum / at->second.count;
  if (const auto at = by_kind_.find(cell.kind); at != by_kind_.end()) return at->second.sum / at->second.count;
  return std::nullopt;
}

void Durations::add(const Plan& plan, const Cell& cell, double seconds) {
  for (Mean* mean : {&by_group_[group_of(plan, cell)], &by_kind_[cell.kind]}) {
    mean->sum += seconds;
    mean->count += 1;
  }
}

}  // namespace modeldiff
