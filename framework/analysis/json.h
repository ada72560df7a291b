#pragma once

#include <cmath>

#include "analysis/statistics.h"
#include "modeldiff/core/json.h"

/// Numbers as result.json holds them: what is not finite is null.
namespace modeldiff {

inline Json finite(double value) { return std::isfinite(value) ? Json(value) : Json(); }

inline Json to_json(const Interval& interval) {
  return {{"estimate", finite(interval.estimate)},
          {"lower", finite(interval.lower)},
          {"upper", finite(interval.upper)}};
}

}  // namespace modeldiff
