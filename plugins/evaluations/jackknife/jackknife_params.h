#pragma once

#include <cstdint>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the `jackknife` evaluation.
struct JackknifeParams {
  Reference before;
  Reference without;
  Reference truth;
  std::int64_t runs = 100;
  std::int64_t truth_runs = 100;
  std::int64_t coefficients = 50;
  double confidence = 0.95;

  static Schema<JackknifeParams> schema() {
    return Schema<JackknifeParams>("jackknife")
        .required("before", &JackknifeParams::before, "The algorithm that has seen all rows.",
                  names_entry_of("algorithms"))
        .required("without", &JackknifeParams::without,
                  "The algorithm whose run i leaves out rows that no other run leaves out, as many "
                  "in each.",
                  names_entry_of("algorithms"))
        .field("truth", &JackknifeParams::truth,
               "An algorithm that leaves out the same rows exactly, to compare with.",
               names_entry_of("algorithms"))
        .field("runs", &JackknifeParams::runs,
               "Runs of `without`; the bias is known only when they leave out all rows together.",
               at_least(2))
        .field("truth_runs", &JackknifeParams::truth_runs,
               "Runs of `truth`, the first ones; more than `runs` are of no use.", at_least(2))
        .field("coefficients", &JackknifeParams::coefficients,
               "Models of at most so many weights have each of them told.", at_least(0))
        .field("confidence", &JackknifeParams::confidence, "Level of the intervals.",
               more_than(0.5), less_than(1));
  }
};

}  // namespace modeldiff
