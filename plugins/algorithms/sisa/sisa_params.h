#pragma once

#include <cstdint>
#include <optional>

#include "modeldiff/core/schema.h"
#include "modeldiff/data_change.h"
#include "modeldiff/objective.h"

namespace modeldiff {

/// Parameters of the learning algorithm `sisa`.
struct SisaParams {
  std::optional<PluginChoice> model;
  std::int64_t shards = 5;
  std::int64_t slices = 4;
  std::optional<std::int64_t> epochs;
  std::optional<std::int64_t> steps;
  std::optional<std::int64_t> batch;
  double lr = 0.1;
  double weight_decay = 0;
  Precision precision = Precision::float32;
  std::optional<RowSelection> without;
  std::optional<Reference> from;
  std::optional<std::int64_t> run;
  ChangeParams change;

  static Schema<SisaParams> schema() {
    return Schema<SisaParams>("sisa")
        .field("model", &SisaParams::model,
               "The architecture of each shard, without batch norm. Needed unless `from` is given.",
               plugin_of("models"))
        .field("shards", &SisaParams::shards,
               "Parts of the training set, each with a model of its own.", at_least(1))
        .field("slices", &SisaParams::slices,
               "Parts of a shard, which join its training one after the other; the weights are "
               "kept after each.",
               at_least(1))
        .field("epochs", &SisaParams::epochs,
               "Passes over the rows so far, each time that a slice has joined.", at_least(1))
        .field("steps", &SisaParams::steps, "Instead of `epochs`.", at_least(1))
        .field("batch", &SisaParams::batch,
               "Examples in a step; left out: all of the shard that have joined.", at_least(1))
        .field("lr", &SisaParams::lr, "Learning rate of all steps.", more_than(0))
        .field("weight_decay", &SisaParams::weight_decay,
               "lambda of the penalty lambda |w|^2 / 2, on all parameters.", at_least(0))
        .field("precision", &SisaParams::precision,
               "Of the gradients. `float64` is for linear models.")
        .field("without", &SisaParams::without,
               "Rows that the run does not have, so that a change can add them.",
               shorthand_for("rate"))
        .field("from", &SisaParams::from,
               "The algorithm `sisa` of which only those shards are trained anew that `change` "
               "hits; all keys above are then its.",
               names_entry_of("algorithms"))
        .field("run", &SisaParams::run, "Which of its runs; left out: that of the same number.",
               at_least(0))
        .field("change", &SisaParams::change,
               "With `from`: what is changed of the training set; `delete` and `add` alone.");
  }
};

}  // namespace modeldiff
