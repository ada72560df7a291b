#pragma once

#include <cstdint>
#include <vector>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the `robust` evaluation.
struct RobustParams {
  Reference before;
  std::vector<Reference> rounds;
  std::vector<Reference> truth;
  std::int64_t runs = 3;
  double confidence = 0.95;

  static Schema<RobustParams> schema() {
    return Schema<RobustParams>("robust")
        .required("before", &RobustParams::before, "The algorithm that was trained on all rows.",
                  names_entry_of("algorithms"))
        .required(
            "rounds", &RobustParams::rounds,
            "Algorithms that remove suspicious rows, each from the one before, the first from "
            "`before`.",
            names_entry_of("algorithms"), item_count(1, 16))
        .field("truth", &RobustParams::truth,
               "For each round the algorithm that retrains in its place.",
               names_entry_of("algorithms"), item_count(0, 16))
        .field("runs", &RobustParams::runs, "Runs of each algorithm.", at_least(1))
        .field("confidence", &RobustParams::confidence, "Level of the intervals.", more_than(0.5),
               less_than(1));
  }
};

}  // namespace modeldiff
