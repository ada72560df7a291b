#pragma once

#include <optional>
#include <string>

#include "modeldiff/core/json.h"
#include "store/safetensors.h"

namespace modeldiff {

/// The part of a report on the transformations that were verified: the claims, what stands behind
/// them, and pictures before and after.
/// @param result as collect_result() makes it, with a verification
/// @param images of the verification, if it has any
std::string proof_section(const Json& result, const std::optional<SafetensorsFile>& images);

}  // namespace modeldiff
