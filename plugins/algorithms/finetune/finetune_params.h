#pragma once

#include <cstdint>
#include <optional>

#include "modeldiff/core/schema.h"
#include "modeldiff/data_change.h"

namespace modeldiff {

/// Parameters of the learning algorithm `finetune`.
struct FinetuneParams {
  Reference from;
  std::optional<std::int64_t> run;
  ChangeParams change;
  double share = 0.1;
  bool rewind = false;

  static Schema<FinetuneParams> schema() {
    return Schema<FinetuneParams>("finetune")
        .required("from", &FinetuneParams::from, "The algorithm `descent` whose run is continued.",
                  names_entry_of("algorithms"))
        .field("run", &FinetuneParams::run, "Which of its runs; left out: that of the same number.",
               at_least(0))
        .field("change", &FinetuneParams::change, "What is changed of the training set.")
        .field("share", &FinetuneParams::share,
               "Steps on the changed data, as a share of those of the run.", more_than(0),
               at_most(1))
        .field("rewind", &FinetuneParams::rewind,
               "Make the last steps of the run anew instead of more steps after them.");
  }
};

}  // namespace modeldiff
