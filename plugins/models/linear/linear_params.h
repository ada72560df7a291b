#pragma once

#include "modeldiff/core/schema.h"
#include "modeldiff/initialise.h"

namespace modeldiff {

/// Parameters of the `linear` model.
struct LinearParams {
  bool bias = true;
  Initialisation init = Initialisation::normal;

  static Schema<LinearParams> schema() {
    return Schema<LinearParams>("linear")
        .field("bias", &LinearParams::bias, "Add a constant to each output.")
        .field("init", &LinearParams::init,
               "`normal`: standard deviation sqrt(1 / inputs), bias 0; `uniform`: weight and bias "
               "in +-sqrt(1 / inputs); "
               "`zero`: all 0.");
  }
};

}  // namespace modeldiff
