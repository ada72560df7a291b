#pragma once

#include <cstdint>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the `rivals` evaluation.
struct RivalsParams {
  std::int64_t references = 1000;

  static Schema<RivalsParams> schema() {
    return Schema<RivalsParams>("rivals").field(
        "references", &RivalsParams::references,
        "Training examples, drawn at random, to which the features of all are compared.",
        at_least(2), unit("examples"));
  }
};

}  // namespace modeldiff
