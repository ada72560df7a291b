#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "modeldiff/core/schema.h"
#include "modeldiff/dataset.h"

/// Changes of a training set: what an algorithm that retrains is asked for.
namespace modeldiff {

/// How rows are chosen.
enum class RowsBy { chance, loss };

template <>
struct Choices<RowsBy> {
  static constexpr std::pair<RowsBy, const char*> names[] = {{RowsBy::chance, "chance"},
                                                             {RowsBy::loss, "loss"}};
};

/// Some rows of a training set. Sets of one seed are nested: a smaller one is the beginning of a
/// larger one.
struct RowSelection {
  std::optional<double> rate;
  std::optional<std::int64_t> count;
  std::vector<std::int64_t> rows;
  std::optional<std::int64_t> of_class;
  RowsBy by = RowsBy::chance;
  std::int64_t seed = 0;
  bool vary = false;

  static Schema<RowSelection> schema() {
    return Schema<RowSelection>("rows")
        .field("rate", &RowSelection::rate, "Share of the training set, drawn at random.",
               at_least(0), less_than(1))
        .field("count", &RowSelection::count, "Instead of `rate`: how many, drawn at random.",
               at_least(0), unit("rows"))
        .field("rows", &RowSelection::rows, "Instead of both: these rows, counted from 0.",
               each_item(at_least(0)))
        .field("class", &RowSelection::of_class, "Draw from this class only.", at_least(0))
        .field(
            "by", &RowSelection::by,
            "`chance`: a random order; `loss`: those first on which the run that is followed has "
            "the largest loss.")
        .field("seed", &RowSelection::seed, "Draws the rows.", at_least(0))
        .field("vary", &RowSelection::vary,
               "Run i takes the i-th part of the random order, so that no row is in two runs' "
               "sets: `count: 1` leaves out one row in each run.");
  }
};

/// What is to be done to a training set. A row may be in one list only.
struct ChangeParams {
  std::optional<RowSelection> remove;
  std::optional<RowSelection> add;
  std::optional<RowSelection> relabel;

  static Schema<ChangeParams> schema() {
    return Schema<ChangeParams>("change")
        .field("delete", &ChangeParams::remove, "Rows to leave out.", shorthand_for("rate"))
        .field("add", &ChangeParams::add,
               "Rows to put in, of those that the first run was made without.",
               shorthand_for("rate"))
        .field("relabel", &ChangeParams::relabel,
               "Rows that get another class, drawn at random from the others.",
               shorthand_for("rate"));
  }
};

/// Losses of rows [k] under the run that is followed, for `by: loss`.
using RowLosses = std::function<at::Tensor(const std::vector<std::int32_t>& rows)>;

/// The rows of a selection, ascending. A pure function of (training set, selection, run, losses).
/// @param run the run's number, for `vary`
/// @param losses may be empty where there is no run yet
/// @throws ConfigError for rows that are named twice or are not there, and for more rows than there
///         are
MODELDIFF_API std::vector<std::int32_t> select_rows(const RowSelection& selection,
                                                    const Examples& train, std::int64_t run,
                                                    const RowLosses& losses = {});

/// A change with its rows, ascending.
struct DataChange {
  std::vector<std::int32_t> removed, added, relabelled;
  /// [n]: the targets with the new labels; undefined when nothing is relabelled.
  at::Tensor targets;
};

/// @param rows of the run before the change, ascending: what is deleted or relabelled must be among
///             them, what is added must not
/// @throws ConfigError with the path of the key
MODELDIFF_API DataChange draw_change(const ChangeParams& change, const DataFacts& facts,
                                     const Examples& train, const std::vector<std::int32_t>& rows,
                                     std::int64_t run, const RowLosses& losses = {});

}  // namespace modeldiff
