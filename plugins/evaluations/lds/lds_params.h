#pragma once

#include <cstdint>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the `lds` evaluation: which retrained models judge the scores.
struct LdsParams {
  std::int64_t subsets = 100;
  std::int64_t replicates = 2;
  double keep = 0.5;
  double confidence = 0.95;
  std::int64_t draws = 2000;

  static Schema<LdsParams> schema() {
    using P = LdsParams;
    return Schema<P>("lds")
        .field("subsets", &P::subsets, "Random subsets of the training set that are trained on.",
               at_least(3))
        .field("replicates", &P::replicates,
               "Training runs of each subset, which differ in the seed alone.", at_least(1))
        .field("keep", &P::keep, "Share of the training set in each subset.", more_than(0),
               less_than(1))
        .field("confidence", &P::confidence, "Level of the intervals.", more_than(0.5),
               less_than(1))
        .field("draws", &P::draws, "Bootstrap draws.", at_least(200));
  }
};

}  // namespace modeldiff
