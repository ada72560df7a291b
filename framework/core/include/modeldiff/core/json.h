#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "modeldiff/core/api.h"

namespace modeldiff {

/// Objects keep their keys sorted and numbers print with the fewest digits that read back the same,
/// so that equal values have equal texts.
using Json = nlohmann::json;

/// The one-line text that is hashed. @throws InternalError on a number that is not finite.
MODELDIFF_API std::string canonical_text(const Json& value);

/// Follows "a.b.0.c" through objects and arrays. @return nullptr where the path leads nowhere
MODELDIFF_API const Json* find_path(const Json& value, const std::string& path);

}  // namespace modeldiff
