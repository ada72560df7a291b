#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the `crops` proposer. Sizes are given for 32 pixels and scale with the image.
struct CropsParams {
  std::vector<std::string> classes;
  std::int64_t count = 1;
  std::int64_t size = 8;
  std::optional<std::int64_t> window;

  static Schema<CropsParams> schema() {
    using P = CropsParams;
    return Schema<P>("crops")
        .required(
            "classes", &P::classes,
            "Names of the classes of the crops, or numbers where there are no names; placebos "
            "are crops of the other classes.",
            item_count(1, 10'000))
        .field("count", &P::count, "Crops of each class, drawn at random.", at_least(1))
        .field("size", &P::size, "Side of a crop, of an image of 32 pixels.", at_least(1),
               at_most(32), unit("pixels"))
        .field("window", &P::window,
               "Side of the window that is cut out, of an image of 32 pixels, and resized to "
               "`size`; left out: `size`.",
               at_least(1), at_most(32), unit("pixels"));
  }
};

}  // namespace modeldiff
