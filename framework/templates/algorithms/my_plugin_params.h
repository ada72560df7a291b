#pragma once

#include <cstdint>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the learning algorithm `my_plugin`.
struct MyPluginParams {
  PluginChoice model;
  std::int64_t steps = 100;
  double lr = 0.5;

  static Schema<MyPluginParams> schema() {
    using P = MyPluginParams;
    return Schema<P>("my_plugin")
        .required("model", &P::model, "The architecture.", plugin_of("models"))
        .field("steps", &P::steps, "Steps, each over all training examples.", at_least(1))
        .field("lr", &P::lr, "Learning rate.", more_than(0));
  }
};

}  // namespace modeldiff
