#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "planning/plan.h"
#include "store/store.h"

namespace modeldiff {

/// How long the cells of a plan took before, on this store: what estimates are made of.
class Durations {
 public:
  Durations(const Plan& plan, const std::vector<Json>& attempts);
  Durations(const Durations&) = delete;
  Durations& operator=(const Durations&) = delete;

  /// Seconds of one worker: the mean of cells of the same configuration, else of the same kind;
  /// nothing when there were none.
  std::optional<double> of(std::size_t cell) const;
  void add(std::size_t cell, double seconds);

  /// The kind and what identifies the configuration: cells of one group cost about the same.
  const std::string& group_of(std::size_t cell) const { return groups_[group_index_[cell]]; }

  /// Cells with one index have one estimate; indices are 0, 1, ...
  std::size_t group_index(std::size_t cell) const { return group_index_[cell]; }
  std::size_t group_count() const { return groups_.size(); }
  std::optional<double> of_group(std::size_t group) const;

 private:
  struct Mean {
    double sum = 0;
    double count = 0;
  };

  std::vector<std::string> groups_;
  std::vector<std::size_t> group_index_;  // of each cell
  std::vector<Mean*> group_means_,
      kind_means_;  // of each group; into the maps, whose entries stay in place
  std::map<std::string, Mean> by_group_, by_kind_;
};

}  // namespace modeldiff
