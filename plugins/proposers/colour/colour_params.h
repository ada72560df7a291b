#pragma once

#include <vector>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the `colour` proposer: its grids.
struct ColourParams {
  std::vector<double> casts = {0.1, 0.2, 0.3};
  std::vector<double> rotations = {-60, -30, 30, 60, 180};
  std::vector<double> saturations = {0, 0.5, 2};
  std::vector<double> brightnesses = {-0.25, -0.1, 0.1, 0.25};
  std::vector<double> contrasts = {0.4, 0.7, 1.5};
  std::vector<double> gammas = {0.5, 2};
  bool channels = true;

  static Schema<ColourParams> schema() {
    using P = ColourParams;
    return Schema<P>("colour")
        .field("casts", &P::casts,
               "Amounts of each of six hues that are added; colour images only.", item_count(0, 16))
        .field("rotations", &P::rotations, "Of the hue; colour images only.", item_count(0, 16),
               unit("degrees"))
        .field("saturations", &P::saturations,
               "Factors of the distance from grey; colour images only.", item_count(0, 16))
        .field("brightnesses", &P::brightnesses, "Added to every pixel.", item_count(0, 16))
        .field("contrasts", &P::contrasts, "Factors of the distance from the image's mean.",
               item_count(0, 16))
        .field("gammas", &P::gammas, "Exponents.", item_count(0, 16), each_item(more_than(0)))
        .field("channels", &P::channels,
               "Two channels swapped, each pair; and grey of the same luminance; colour images "
               "only.");
  }
};

}  // namespace modeldiff
