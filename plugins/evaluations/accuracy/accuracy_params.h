#pragma once

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the `accuracy` evaluation.
struct AccuracyParams {
  double confidence = 0.95;

  static Schema<AccuracyParams> schema() {
    return Schema<AccuracyParams>("accuracy")
        .field("confidence", &AccuracyParams::confidence,
               "Level of the intervals over training runs.", more_than(0.5), less_than(1));
  }
};

}  // namespace modeldiff
