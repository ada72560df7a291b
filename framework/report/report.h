#pragma once

#include <string>

#include "modeldiff/core/json.h"
#include "planning/plan.h"
#include "store/store.h"

namespace modeldiff {

/// One HTML page that needs nothing else: no network, no other file; inline SVG, sprite PNGs, a
/// little JavaScript.
/// @param result as collect_result() makes it
std::string render_report(const Json& result, const Plan& plan, const Store& store);

}  // namespace modeldiff
