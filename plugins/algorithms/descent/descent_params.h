#pragma once

#include <cstdint>
#include <optional>

#include "modeldiff/core/schema.h"
#include "modeldiff/data_change.h"
#include "modeldiff/descent.h"
#include "modeldiff/objective.h"
#include "modeldiff/schedule.h"

namespace modeldiff {

/// Parameters of the learning algorithm `descent`.
struct DescentParams {
  PluginChoice model;
  std::optional<std::int64_t> epochs;
  std::optional<std::int64_t> steps;
  std::optional<std::int64_t> batch;
  double lr = 0.1;
  ScheduleParams schedule = ScheduleParams::constant();
  double weight_decay = 0;
  Precision precision = Precision::float32;
  TrajectoryForm trajectory = TrajectoryForm::exact;
  std::optional<RowSelection> without;

  static Schema<DescentParams> schema() {
    return Schema<DescentParams>("descent")
        .required("model", &DescentParams::model, "The architecture; without batch norm.",
                  plugin_of("models"))
        .field("epochs", &DescentParams::epochs, "Passes over the training set.", at_least(1))
        .field("steps", &DescentParams::steps, "Instead of `epochs`.", at_least(1))
        .field("batch", &DescentParams::batch, "Examples in a step; left out: all of them.",
               at_least(1))
        .field("lr", &DescentParams::lr, "Highest learning rate.", more_than(0))
        .field("schedule", &DescentParams::schedule, "How the learning rate moves over the run.",
               shorthand_for("kind"))
        .field("weight_decay", &DescentParams::weight_decay,
               "lambda of the penalty lambda |w|^2 / 2, on all parameters.", at_least(0))
        .field("precision", &DescentParams::precision,
               "Of the gradients. `float64` is for linear models.")
        .field("trajectory", &DescentParams::trajectory,
               "What is kept of the gradient of every step, for `deltagrad`: `exact`, steps x "
               "parameters x 4 bytes, or 8 with `float64`; `bfloat16`, 2 bytes; or `none`.")
        .field("without", &DescentParams::without,
               "Rows that the run does not have, so that a change can add them.",
               shorthand_for("rate"));
  }
};

}  // namespace modeldiff
