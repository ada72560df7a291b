#pragma once

#include <cstdint>
#include <utility>

#include "modeldiff/core/schema.h"

namespace modeldiff {

enum class ConformalKind { jackknife_plus, cross };

template <>
struct Choices<ConformalKind> {
  static constexpr std::pair<ConformalKind, const char*> names[] = {
      {ConformalKind::jackknife_plus, "jackknife_plus"}, {ConformalKind::cross, "cross"}};
};

/// Parameters of the `conformal` evaluation.
struct ConformalParams {
  ConformalKind kind = ConformalKind::jackknife_plus;
  Reference before;
  Reference without;
  Reference truth;
  std::int64_t runs = 100;
  double alpha = 0.1;
  double confidence = 0.95;

  static Schema<ConformalParams> schema() {
    return Schema<ConformalParams>("conformal")
        .required("kind", &ConformalParams::kind,
                  "`jackknife_plus`: intervals of a regression, CV+ where a run leaves out several "
                  "rows; `cross`: sets of classes.")
        .required("before", &ConformalParams::before, "The algorithm that has seen all rows.",
                  names_entry_of("algorithms"))
        .required("without", &ConformalParams::without,
                  "The algorithm whose run i leaves out rows that no other run leaves out.",
                  names_entry_of("algorithms"))
        .field("truth", &ConformalParams::truth,
               "An algorithm that leaves out the same rows exactly, to compare with.",
               names_entry_of("algorithms"))
        .field("runs", &ConformalParams::runs,
               "Runs of `without`, and of `truth`. The rows that they leave out calibrate.",
               at_least(1))
        .field(
            "alpha", &ConformalParams::alpha,
            "Share of the test rows that may be missed; up to twice of it is guaranteed against.",
            more_than(0), less_than(0.5))
        .field("confidence", &ConformalParams::confidence, "Level of the intervals of coverages.",
               more_than(0.5), less_than(1));
  }
};

}  // namespace modeldiff
