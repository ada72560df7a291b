#include "app/durations.h"

#include <fmt/format.h>

#include <utility>

#include "modeldiff/core/hash.h"

namespace modeldiff {
namespace {

std::string kind_of(const std::string& group) { return group.substr(0, group.find('/')); }

}  // namespace

Durations::Durations(const Plan& plan, const std::vector<Json>& attempts) {
  for (const Json& line : attempts) {
    if (!line.contains("seconds") || !line.contains("group")) continue;
    const auto seconds = line.at("seconds").get<double>();
    const auto group = line.at("group").get<std::string>();
    for (Mean* mean : {&by_group_[group], &by_kind_[kind_of(group)]}) {
      mean->sum += seconds;
      mean->count += 1;
    }
  }
  std::vector<std::string> config_names;
  for (const Json& config : plan.configs)
    config_names.push_back(sha256(config.dump()).substr(0, 12));
  std::map<std::pair<std::string, std::size_t>, std::size_t> known;
  for (const Cell& cell : plan.cells) {
    const auto [at, is_new] = known.try_emplace({cell.kind, cell.config}, groups_.size());
    group_index_.push_back(at->second);
    if (!is_new) continue;
    groups_.push_back(fmt::format("{}/{}", cell.kind, config_names[cell.config]));
    group_means_.push_back(&by_group_[groups_.back()]);
    kind_means_.push_back(&by_kind_[cell.kind]);
  }
}

std::optional<double> Durations::of(std::size_t cell) const { return of_group(group_index_[cell]); }

std::optional<double> Durations::of_group(std::size_t group) const {
  for (const Mean* mean : {group_means_[group], kind_means_[group]}) {
    if (mean->count > 0) return mean->sum / mean->count;
  }
  return std::nullopt;
}

void Durations::add(std::size_t cell, double seconds) {
  const std::size_t group = group_index_[cell];
  for (Mean* mean : {group_means_[group], kind_means_[group]}) {
    mean->sum += seconds;
    mean->count += 1;
  }
}

}  // namespace modeldiff
