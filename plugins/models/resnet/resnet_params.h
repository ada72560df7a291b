#pragma once

#include <cstdint>
#include <vector>

#include "modeldiff/core/schema.h"
#include "modeldiff/initialise.h"

namespace modeldiff {

/// Parameters of the `resnet` model.
struct ResnetParams {
  std::vector<std::int64_t> blocks = {2, 2, 2, 2};
  bool bottleneck = false;
  double width = 1;
  Initialisation init = Initialisation::normal;

  static Schema<ResnetParams> schema() {
    return Schema<ResnetParams>("resnet")
        .field("blocks", &ResnetParams::blocks,
               "Of each of the four stages: [2, 2, 2, 2] has 18 layers, [3, 4, 6, 3] has 34, with "
               "`bottleneck` 50.",
               item_count(4, 4), each_item(at_least(1)))
        .field("bottleneck", &ResnetParams::bottleneck,
               "Blocks of three convolutions, 1 x 1, 3 x 3 and 1 x 1 with four times the channels, "
               "instead of two of 3 x 3.")
        .field("width", &ResnetParams::width, "Multiplies the channels 64, 128, 256, 512.",
               more_than(0))
        .field("init", &ResnetParams::init,
               "Of the convolutions and the last layer. `normal`: standard deviation sqrt(2 / "
               "fan-in), in the last layer sqrt(1 / fan-in); `uniform`: in +-sqrt(1 / fan-in); "
               "`zero`: all 0.");
  }
};

}  // namespace modeldiff
