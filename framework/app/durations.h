#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "planning/plan.h"
#include "store/store.h"

namespace modeldiff {

/// How long cells took before, on this store: what estimates are made of.
class Durations {
 public:
  explicit Durations(const std::vector<Json>& attempts);

  /// Seconds of one worker: the mean of cells of the same configuration, else of the same kind; nothing when there
  /// were none.
  std::optional<double> of(const Plan& plan, const Cell& cell) const;
  void add(const Plan& plan, const Cell& cell, double seconds);

  static std::string group_of(const Plan& plan, const Cell& cell);

 private:
  struct Mean {
    double sum = 0;
    double count = 0;
  };
  std::map<std::string, Mean> by_group_, by_kind_;
};

}  // namespace modeldiff
