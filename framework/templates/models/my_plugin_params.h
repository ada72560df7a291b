#pragma once

#include "modeldiff/core/schema.h"
#include "modeldiff/initialise.h"

namespace modeldiff {

/// Parameters of the model `my_plugin`.
struct MyPluginParams {
  double scale = 1;
  Initialisation init = Initialisation::normal;

  static Schema<MyPluginParams> schema() {
    using P = MyPluginParams;
    return Schema<P>("my_plugin")
        .field("scale", &P::scale, "Multiplies the outputs.", more_than(0))
        .field(
            "init", &P::init,
            "`normal`: standard deviation sqrt(1 / inputs), bias 0; `uniform`: weight and bias in "
            "+-sqrt(1 / inputs); `zero`: all 0.");
  }
};

}  // namespace modeldiff
