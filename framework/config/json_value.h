#pragma once

#include "modeldiff/core/json.h"
#include "modeldiff/core/value.h"

namespace modeldiff {

/// A default as if it had been written at a place of the file. Whole numbers beyond 64 signed bits
/// become numbers.
Value value_of_json(const Json& json, const SourceLocation& where);

}  // namespace modeldiff
