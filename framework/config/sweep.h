#pragma once

#include <string>
#include <vector>

#include "config/compose.h"
#include "config/override.h"

namespace modeldiff {

/// One key of a sweep and the values it takes.
struct SweepAxis {
  Override target;
  Value::List values;
};

/// The axes of the map under `sweep:`.
/// @throws ConfigError with all that is wrong
std::vector<SweepAxis> parse_sweep(const Value& section);

/// An axis of its list or range, "0..9" with both ends.
/// @throws ConfigError
SweepAxis sweep_axis(Override target);

/// One choice of values: an index into each axis.
using SweepChoice = std::vector<std::size_t>;

/// All combinations, the first axis slowest; one empty choice without axes.
/// @throws ConfigError when there are more than kMaxSweepExperiments
std::vector<SweepChoice> sweep_choices(const std::vector<SweepAxis>& axes);

/// "lr=0.1,seed=3" for each choice.
std::vector<std::string> sweep_names(const std::vector<SweepAxis>& axes,
                                     const std::vector<SweepChoice>& choices);

}  // namespace modeldiff
