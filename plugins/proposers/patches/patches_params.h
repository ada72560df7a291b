#pragma once

#include <cstdint>
#include <vector>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the `patches` proposer. Sizes are given for 32 pixels and scale with the image.
struct PatchesParams {
  std::vector<std::int64_t> sizes = {4, 8};
  std::int64_t margin = 1;
  bool patterns = true;

  static Schema<PatchesParams> schema() {
    using P = PatchesParams;
    return Schema<P>("patches")
        .field("sizes", &P::sizes, "Sides of the solid squares, of an image of 32 pixels.",
               item_count(1, 8), each_item(at_least(1)), unit("pixels"))
        .field("margin", &P::margin, "Between a patch and the border.", at_least(0), unit("pixels"))
        .field("patterns", &P::patterns, "Also patches with a pattern: bars, checks, stripes.");
  }
};

}  // namespace modeldiff
