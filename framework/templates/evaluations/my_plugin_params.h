#pragma once

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the evaluation `my_plugin`.
struct MyPluginParams {
  double sure = 0.9;

  static Schema<MyPluginParams> schema() {
    return Schema<MyPluginParams>("my_plugin")
        .field("sure", &MyPluginParams::sure, "From this on a prediction counts as sure.",
               more_than(0), less_than(1));
  }
};

}  // namespace modeldiff
