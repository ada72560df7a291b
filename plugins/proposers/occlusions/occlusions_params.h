#pragma once

#include <cstdint>
#include <vector>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the `occlusions` proposer. Sizes are given for 32 pixels and scale with the image.
struct OcclusionsParams {
  std::vector<std::int64_t> grids = {4};
  std::vector<std::int64_t> borders = {4};
  std::vector<std::int64_t> centres = {16};
  bool halves = true;

  static Schema<OcclusionsParams> schema() {
    using P = OcclusionsParams;
    return Schema<P>("occlusions")
        .field("grids", &P::grids,
               "Cells along each side of the image; each cell is hidden by itself.",
               item_count(0, 8), each_item(at_least(2)))
        .field("borders", &P::borders, "Widths of hidden borders.", item_count(0, 8),
               each_item(at_least(1)), unit("pixels"))
        .field("centres", &P::centres, "Sides of hidden squares in the middle.", item_count(0, 8),
               each_item(at_least(1)), unit("pixels"))
        .field("halves", &P::halves, "Hide the top, bottom, left and right half.");
  }
};

}  // namespace modeldiff
