#pragma once

#include <cstdint>
#include <vector>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the `shapes` proposer.
struct ShapesParams {
  std::vector<std::int64_t> grids = {2, 4};
  bool edges = true;
  bool silhouette = true;

  static Schema<ShapesParams> schema() {
    using P = ShapesParams;
    return Schema<P>("shapes")
        .field("grids", &P::grids, "Cells along each side of the image that change their places.",
               item_count(0, 8), each_item(at_least(2)))
        .field("edges", &P::edges, "Only how steep the brightness is.")
        .field("silhouette", &P::silhouette,
               "White where the image is brighter than its mean, else black.");
  }
};

}  // namespace modeldiff
