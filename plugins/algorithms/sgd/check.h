#pragma once

#include <vector>

#include "modeldiff/core/error.h"
#include "modeldiff/dataset.h"
#include "sgd_params.h"

/// What the schema cannot say of the parameters.
namespace modeldiff {

/// Parameters that contradict each other, all of them; the paths are those of the plugin's keys.
std::vector<Diagnostic> contradictions(const SgdParams& params);

/// Parameters that do not suit the data.
std::vector<Diagnostic> misfits(const SgdParams& params, const DataFacts& facts);

}  // namespace modeldiff
