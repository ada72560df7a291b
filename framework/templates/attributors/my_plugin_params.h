#pragma once

#include <cstdint>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the attributor `my_plugin`.
struct MyPluginParams {
  std::int64_t batch = 256;

  static Schema<MyPluginParams> schema() {
    return Schema<MyPluginParams>("my_plugin")
        .field("batch", &MyPluginParams::batch, "Examples whose gradients are held at once.",
               at_least(1), unit("examples"));
  }
};

}  // namespace modeldiff
