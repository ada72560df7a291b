#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "common/row_split.h"
#include "modeldiff/core/schema.h"

namespace modeldiff {

enum class LibsvmTask { classification, regression };
template <>
struct Choices<LibsvmTask> {
  static constexpr std::pair<LibsvmTask, const char*> names[] = {
      {LibsvmTask::classification, "classification"}, {LibsvmTask::regression, "regression"}};
};

enum class IndexBase { automatic, zero, one };
template <>
struct Choices<IndexBase> {
  static constexpr std::pair<IndexBase, const char*> names[] = {
      {IndexBase::automatic, "automatic"}, {IndexBase::zero, "zero"}, {IndexBase::one, "one"}};
};

/// Parameters of the `libsvm` data set.
struct LibsvmParams {
  DataPath path;
  std::optional<DataPath> test_path;
  LibsvmTask task = LibsvmTask::classification;
  IndexBase index_base = IndexBase::automatic;
  std::optional<std::int64_t> columns;
  double train_fraction = 0.9;
  RowOrder order = RowOrder::stream;
  std::uint64_t split_seed = 0;
  bool sparse = false;
  double memory_limit = 4;

  static Schema<LibsvmParams> schema() {
    return Schema<LibsvmParams>("libsvm")
        .required("path", &LibsvmParams::path, "File of lines LABEL INDEX:VALUE ...")
        .field("test_path", &LibsvmParams::test_path,
               "File with the test part; left out: `path` is divided.")
        .field("task", &LibsvmParams::task,
               "What the labels are: classes, sorted as numbers (-1 before 1), or targets.")
        .field("index_base", &LibsvmParams::index_base,
               "Number of the first column; `automatic`: zero if any index is 0, else one.")
        .field("columns", &LibsvmParams::columns,
               "Columns of the table; left out: up to the largest index.", at_least(1))
        .field("train_fraction", &LibsvmParams::train_fraction,
               "Share of the rows for training, rounded down, where there is no `test_path`.",
               more_than(0), less_than(1))
        .field("order", &LibsvmParams::order,
               "Order in which rows are divided: `stream`, drawn; `numpy`, as numpy's "
               "RandomState(split_seed).permutation "
               "draws it; `file`, as they stand.")
        .field("split_seed", &LibsvmParams::split_seed, "Draws that order.", at_least(0),
               at_most(4294967295.0))
        .field("sparse", &LibsvmParams::sparse,
               "Leave the zeros out, for algorithms and evaluations that take sparse tables.")
        .field("memory_limit", &LibsvmParams::memory_limit,
               "Most memory for a dense table, all zeros written out.", more_than(0), unit("GiB"),
               not_semantic());
  }
};

}  // namespace modeldiff
