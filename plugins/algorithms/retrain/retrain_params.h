#pragma once

#include <cstdint>
#include <optional>

#include "modeldiff/core/schema.h"
#include "modeldiff/data_change.h"

namespace modeldiff {

/// Parameters of the learning algorithm `retrain`.
struct RetrainParams {
  Reference from;
  std::optional<std::int64_t> run;
  ChangeParams change;
  std::int64_t requests = 1;
  bool trajectory = false;

  static Schema<RetrainParams> schema() {
    return Schema<RetrainParams>("retrain")
        .required("from", &RetrainParams::from, "The algorithm `descent` whose run is repeated.",
                  names_entry_of("algorithms"))
        .field("run", &RetrainParams::run, "Which of its runs; left out: that of the same number.",
               at_least(0))
        .field("change", &RetrainParams::change, "What is changed of the training set.")
        .field("requests", &RetrainParams::requests,
               "So many changes one after the other, each on what the one before left: request i "
               "takes the i-th part of the random order.",
               at_least(1))
        .field("trajectory", &RetrainParams::trajectory,
               "Leave the gradients of the new run, so that others can start from it.");
  }
};

}  // namespace modeldiff
