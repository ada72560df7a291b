#pragma once

#include <vector>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the `frequency` proposer. Radii are given for 32 pixels and scale with the image.
struct FrequencyParams {
  std::vector<double> blurs = {0.7, 1.5};
  std::vector<double> cuts = {4, 8};

  static Schema<FrequencyParams> schema() {
    using P = FrequencyParams;
    return Schema<P>("frequency")
        .field("blurs", &P::blurs, "Standard deviations of the Gaussian blurs.", item_count(0, 8),
               each_item(more_than(0)), unit("pixels"))
        .field("cuts", &P::cuts, "Radii in the frequency plane, of an image of 32 pixels.",
               item_count(1, 8), each_item(more_than(0)), unit("cycles per image"));
  }
};

}  // namespace modeldiff
