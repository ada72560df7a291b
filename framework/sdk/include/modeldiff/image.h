#pragma once

#include <array>

/// What several plugins that change images agree on.
namespace modeldiff {

struct Colour {
  const char* name;
  std::array<float, 3> rgb;
};

/// Fully saturated, in the order of the colour wheel.
inline constexpr Colour kHues[] = {{"red", {1, 0, 0}},   {"yellow", {1, 1, 0}},
                                   {"green", {0, 1, 0}}, {"cyan", {0, 1, 1}},
                                   {"blue", {0, 0, 1}},  {"magenta", {1, 0, 1}}};

}  // namespace modeldiff
