#pragma once

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// The `planted` evaluation has no parameters: the truth travels with the data.
struct PlantedParams {
  static Schema<PlantedParams> schema() { return Schema<PlantedParams>("planted"); }
};

}  // namespace modeldiff
