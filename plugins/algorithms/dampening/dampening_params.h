#pragma once

#include <cstdint>
#include <optional>

#include "modeldiff/core/schema.h"
#include "modeldiff/data_change.h"

namespace modeldiff {

/// Parameters of the learning algorithm `dampening`.
struct DampeningParams {
  Reference from;
  std::optional<std::int64_t> run;
  ChangeParams change;
  double selection = 10;
  double strength = 1;
  std::int64_t batch = 64;

  static Schema<DampeningParams> schema() {
    return Schema<DampeningParams>("dampening")
        .required("from", &DampeningParams::from,
                  "The algorithm `descent` whose weights are dampened.",
                  names_entry_of("algorithms"))
        .field("run", &DampeningParams::run,
               "Which of its runs; left out: that of the same number.", at_least(0))
        .field("change", &DampeningParams::change, "Rows to forget; `delete` alone.")
        .field("selection", &DampeningParams::selection,
               "A weight is dampened where it matters so many times more to the forgotten rows "
               "than to all (alpha).",
               more_than(0))
        .field("strength", &DampeningParams::strength,
               "It is multiplied by this times the ratio of what it matters to all and to the "
               "forgotten rows, by 1 at most (lambda).",
               more_than(0))
        .field("batch", &DampeningParams::batch, "Rows of one gradient.", at_least(1));
  }
};

}  // namespace modeldiff
