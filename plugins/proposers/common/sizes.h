#pragma once

#include <algorithm>
#include <cstdint>

#include "modeldiff/dataset.h"

/// Sizes of proposals are given for an image of 32 pixels and scale with the shorter side.
namespace modeldiff {

inline double scale_of(const DataFacts& facts) {
  return static_cast<double>(std::min(facts.input_shape[1], facts.input_shape[2])) / 32;
}

/// Whole pixels, rounded down, at least one.
inline std::int64_t pixels_of(std::int64_t size, const DataFacts& facts) {
  return std::max<std::int64_t>(1,
                                size * std::min(facts.input_shape[1], facts.input_shape[2]) / 32);
}

}  // namespace modeldiff
