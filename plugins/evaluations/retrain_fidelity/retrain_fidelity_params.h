#pragma once

#include <cstdint>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the `retrain_fidelity` evaluation.
struct RetrainFidelityParams {
  Reference before;
  Reference truth;
  std::int64_t runs = 3;
  std::int64_t bootstrap = 1000;
  double confidence = 0.95;

  static Schema<RetrainFidelityParams> schema() {
    return Schema<RetrainFidelityParams>("retrain_fidelity")
        .required("before", &RetrainFidelityParams::before,
                  "The algorithm whose runs were made before the change.",
                  names_entry_of("algorithms"))
        .required("truth", &RetrainFidelityParams::truth,
                  "The algorithm that retrains on the changed data.", names_entry_of("algorithms"))
        .field("runs", &RetrainFidelityParams::runs, "Runs of each algorithm.", at_least(1))
        .field("bootstrap", &RetrainFidelityParams::bootstrap,
               "Draws of the interval of the membership inference.", at_least(200))
        .field("confidence", &RetrainFidelityParams::confidence, "Level of the intervals.",
               more_than(0.5), less_than(1));
  }
};

}  // namespace modeldiff
