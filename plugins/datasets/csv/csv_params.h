#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/row_split.h"
#include "modeldiff/core/schema.h"

namespace modeldiff {

enum class CsvTask { regression, classification };
template <>
struct Choices<CsvTask> {
  static constexpr std::pair<CsvTask, const char*> names[] = {
      {CsvTask::regression, "regression"}, {CsvTask::classification, "classification"}};
};

/// Parameters of the `csv` data set.
struct CsvParams {
  DataPath path;
  CsvTask task = CsvTask::regression;
  std::vector<std::string> target;
  std::vector<std::string> drop;
  double train_fraction = 0.9;
  std::int64_t train_multiple = 1;
  RowOrder order = RowOrder::stream;
  std::uint64_t split_seed = 0;
  bool standardise = true;

  static Schema<CsvParams> schema() {
    return Schema<CsvParams>("csv")
        .required("path", &CsvParams::path, "File of comma separated values with a header line.")
        .field("task", &CsvParams::task,
               "What the targets are: numbers, or one column of class labels.")
        .field("target", &CsvParams::target, "Names of the target columns; empty: the last column.")
        .field("drop", &CsvParams::drop, "Columns to leave out.")
        .field("train_fraction", &CsvParams::train_fraction,
               "Share of the rows for training, rounded down; the rest is for tests.", more_than(0),
               less_than(1))
        .field("train_multiple", &CsvParams::train_multiple,
               "The training part is cut to a multiple of this, so that batches come out even; the "
               "cut rows are not used.",
               at_least(1), unit("rows"))
        .field("order", &CsvParams::order,
               "Order in which rows are divided: `stream`, drawn; `numpy`, as numpy's "
               "RandomState(split_seed).permutation "
               "draws it; `file`, as they stand.")
        .field("split_seed", &CsvParams::split_seed, "Draws that order.", at_least(0),
               at_most(4294967295.0))
        .field("standardise", &CsvParams::standardise,
               "Show models (x - mean) / deviation of the training part, and do the same to "
               "regression targets.");
  }
};

}  // namespace modeldiff
