#pragma once

#include <cstdint>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the `data_value` evaluation.
struct DataValueParams {
  Reference before;
  Reference without;
  Reference truth;
  std::int64_t runs = 100;
  std::int64_t truth_runs = 100;
  std::int64_t show = 10;
  std::int64_t bootstrap = 1000;
  double confidence = 0.95;

  static Schema<DataValueParams> schema() {
    return Schema<DataValueParams>("data_value")
        .required("before", &DataValueParams::before, "The algorithm that has seen all rows.",
                  names_entry_of("algorithms"))
        .required("without", &DataValueParams::without,
                  "The algorithm whose run i leaves out one row, another one in each run.",
                  names_entry_of("algorithms"))
        .field("truth", &DataValueParams::truth,
               "An algorithm that leaves out the same rows exactly: what the values are judged by.",
               names_entry_of("algorithms"))
        .field("runs", &DataValueParams::runs, "Runs of `without`, each the value of one row.",
               at_least(2))
        .field("truth_runs", &DataValueParams::truth_runs,
               "Runs of `truth`, for the first rows; more than `runs` are of no use.", at_least(3))
        .field("show", &DataValueParams::show, "Rows in the tables of either end.", at_least(1))
        .field("bootstrap", &DataValueParams::bootstrap, "Draws of the intervals.", at_least(200))
        .field("confidence", &DataValueParams::confidence, "Level of the intervals.",
               more_than(0.5), less_than(1));
  }
};

}  // namespace modeldiff
