#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "modeldiff/core/random.h"

namespace modeldiff {

/// Names of the classes of `planted_images`, in the order of their labels.
inline const std::vector<std::string> kShapeNames = {"disc", "square",  "cross",   "ring",
                                                     "bars", "stripes", "checker", "diagonal"};

/// Draws one shape with a random place and size.
/// @param shape  index into kShapeNames
/// @return       [size, size] true where the shape is
std::vector<bool> draw_shape(std::int64_t shape, std::int64_t size, RandomStream& random);

}  // namespace modeldiff
