#pragma once

#include <cstdint>
#include <vector>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the `donors` proposer. Windows are given for 32 pixels and scale with the image.
struct DonorsParams {
  std::int64_t directions = 1;
  std::int64_t spectra = 3;
  std::int64_t backgrounds = 2;
  double ellipse = 0.8;
  std::int64_t crops = 10;
  std::vector<std::int64_t> windows = {8, 12};
  std::int64_t style = 20;

  static Schema<DonorsParams> schema() {
    using P = DonorsParams;
    return Schema<P>("donors")
        .field("directions", &P::directions, "Directions of each side that are used.", at_least(1))
        .field("spectra", &P::spectra,
               "Donors of the positive end whose phases or amplitudes an image gets; 0: none.",
               at_least(0), unit("examples"))
        .field("backgrounds", &P::backgrounds,
               "Donors of each end whose border an image gets; 0: none.", at_least(0),
               unit("examples"))
        .field("ellipse", &P::ellipse,
               "Axes of the ellipse in the middle that the image keeps, in sides of the image.",
               more_than(0), at_most(1))
        .field("crops", &P::crops,
               "Donors of the positive end of which a window is pasted; 0: none.", at_least(0),
               unit("examples"))
        .field("windows", &P::windows, "Sides of the windows.", item_count(1, 8),
               each_item(at_least(1)), unit("pixels"))
        .field("style", &P::style,
               "Examples of the positive end whose colours an image gets: mean and covariance of "
               "the channels; 0: none.",
               at_least(0), unit("examples"));
  }
};

}  // namespace modeldiff
