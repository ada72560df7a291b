#pragma once

#include <vector>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the proposer `my_plugin`.
struct MyPluginParams {
  std::vector<double> amounts = {-0.3, 0.3};

  static Schema<MyPluginParams> schema() {
    return Schema<MyPluginParams>("my_plugin")
        .field("amounts", &MyPluginParams::amounts,
               "Added to every pixel; 0 is black and 1 is white.", item_count(1, 16),
               each_item(at_least(-1)), each_item(at_most(1)));
  }
};

}  // namespace modeldiff
