#pragma once

#include <cstdint>
#include <vector>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the `geometry` proposer. Shifts are given for 32 pixels and scale with the image.
struct GeometryParams {
  std::vector<std::int64_t> shifts = {2, 4};
  std::vector<double> rotations = {15, 90};
  std::vector<double> scales = {0.8, 1.25};
  std::vector<double> shears = {0.2};
  bool flips = true;

  static Schema<GeometryParams> schema() {
    using P = GeometryParams;
    return Schema<P>("geometry")
        .field("shifts", &P::shifts, "Distances, each up, down, left and right.", item_count(0, 8),
               each_item(at_least(1)), unit("pixels"))
        .field("rotations", &P::rotations, "About the centre, clockwise.", item_count(0, 16),
               unit("degrees"))
        .field("scales", &P::scales, "Factors of size; below 1 the content shrinks.",
               item_count(0, 16), each_item(more_than(0)))
        .field("shears", &P::shears,
               "Columns that a row moves right for each row below the centre.", item_count(0, 16))
        .field("flips", &P::flips, "Mirror left and right, and top and bottom.");
  }
};

}  // namespace modeldiff
