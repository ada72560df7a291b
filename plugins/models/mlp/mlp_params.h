#pragma once

#include <cstdint>
#include <vector>

#include "modeldiff/core/schema.h"
#include "modeldiff/initialise.h"

namespace modeldiff {

/// Parameters of the `mlp` model.
struct MlpParams {
  std::vector<std::int64_t> hidden = {64};
  Initialisation init = Initialisation::normal;

  static Schema<MlpParams> schema() {
    return Schema<MlpParams>("mlp")
        .field("hidden", &MlpParams::hidden, "Width of each hidden layer.", item_count(1, 64),
               each_item(at_least(1)), unit("units"))
        .field("init", &MlpParams::init,
               "`normal`: weights with standard deviation sqrt(2 / fan-in), in the last layer "
               "sqrt(1 / fan-in), biases 0; "
               "`uniform`: weights and biases in +-sqrt(1 / fan-in); `zero`: all 0.");
  }
};

}  // namespace modeldiff
