#pragma once

#include <cstdint>
#include <vector>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the `corruptions` proposer. Blocks are given for 32 pixels and scale with the
/// image.
struct CorruptionsParams {
  std::vector<double> noises = {0.05, 0.15};
  std::vector<double> salts = {0.05, 0.15};
  std::vector<std::int64_t> qualities = {20};
  std::vector<std::int64_t> blocks = {2, 4};
  std::vector<std::int64_t> levels = {3};

  static Schema<CorruptionsParams> schema() {
    using P = CorruptionsParams;
    return Schema<P>("corruptions")
        .field("noises", &P::noises, "Standard deviations of Gaussian noise.", item_count(0, 8),
               each_item(more_than(0)))
        .field("salts", &P::salts, "Shares of the pixels that become black or white.",
               item_count(0, 8), each_item(more_than(0)), each_item(at_most(1)))
        .field("qualities", &P::qualities, "Of JPEG; images of one or three channels only.",
               item_count(0, 8), each_item(at_least(1)), each_item(at_most(100)))
        .field("blocks", &P::blocks, "Sides of the blocks of one colour.", item_count(0, 8),
               each_item(at_least(2)), unit("pixels"))
        .field("levels", &P::levels, "Values that each channel can have, evenly spaced.",
               item_count(0, 8), each_item(at_least(2)));
  }
};

}  // namespace modeldiff
