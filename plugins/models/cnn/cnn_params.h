#pragma once

#include <cstdint>
#include <vector>

#include "modeldiff/core/schema.h"
#include "modeldiff/initialise.h"

namespace modeldiff {

/// Parameters of the `cnn` model.
struct CnnParams {
  std::vector<std::int64_t> channels = {16, 32, 64};
  Initialisation init = Initialisation::normal;

  static Schema<CnnParams> schema() {
    return Schema<CnnParams>("cnn")
        .field("channels", &CnnParams::channels, "Filters of each convolution.", item_count(1, 8),
               each_item(at_least(1)))
        .field("init", &CnnParams::init,
               "`normal`: weights with standard deviation sqrt(2 / fan-in), in the last layer "
               "sqrt(1 / fan-in), biases 0; "
               "`uniform`: weights and biases in +-sqrt(1 / fan-in); `zero`: all 0.");
  }
};

}  // namespace modeldiff
