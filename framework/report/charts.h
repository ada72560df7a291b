#pragma once

#include <string>
#include <vector>

#include "modeldiff/core/json.h"

/// Inline SVG; colours come from the page's style.
namespace modeldiff::charts {

/// How often the null gave which value, and where the observed one stands.
std::string null_histogram(const std::vector<double>& null, double observed,
                           const std::string& title);

/// One bar with its interval for each of {first, second}, on a common scale around 0.
/// @param first, second {estimate, lower, upper}; @param scale the value at the right edge
std::string effect_pair(const Json& first, const Json& second, double scale);

/// An exhibit of an evaluation, see modeldiff/evaluation.h: "bars", "lines", "scatter", "heatmap".
std::string exhibit(const std::string& kind, const std::string& title, const Json& content);

}  // namespace modeldiff::charts
