#pragma once

#include <cstdint>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the `digits` data set.
struct DigitsParams {
  std::int64_t train = 1200;
  std::uint64_t shuffle_seed = 0;

  static Schema<DigitsParams> schema() {
    return Schema<DigitsParams>("digits")
        .field("train", &DigitsParams::train,
               "Images of the training part; the rest is the test part.", at_least(1),
               at_most(1796), unit("images"))
        .field("shuffle_seed", &DigitsParams::shuffle_seed,
               "Draws which images are for training, and their order.", at_least(0));
  }
};

}  // namespace modeldiff
