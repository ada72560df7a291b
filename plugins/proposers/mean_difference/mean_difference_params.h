#pragma once

#include <cstdint>
#include <vector>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the `mean_difference` proposer.
struct MeanDifferenceParams {
  std::int64_t top = 20;
  std::int64_t directions = 2;
  std::vector<double> weights = {1, 2};
  double threshold = 4;
  std::int64_t blobs = 3;

  static Schema<MeanDifferenceParams> schema() {
    using P = MeanDifferenceParams;
    return Schema<P>("mean_difference")
        .field("top", &P::top, "Training examples at each end of a direction.", at_least(4),
               unit("examples"))
        .field("directions", &P::directions, "Directions of each side that are used.", at_least(1))
        .field("weights", &P::weights, "Multiples of the mean difference that are added.",
               item_count(1, 16))
        .field("threshold", &P::threshold,
               "Standard errors from which a pixel counts as different.", more_than(0))
        .field("blobs", &P::blobs,
               "Connected parts of different pixels that are pasted one by one.", at_least(0));
  }
};

}  // namespace modeldiff
