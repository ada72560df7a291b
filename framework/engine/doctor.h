#pragma once

#include "modeldiff/core/json.h"

namespace modeldiff {

/// What `modeldiff doctor` says of torch: its version and place, threads, and how long one product
/// of matrices takes in float32 and in bfloat16 on one thread.
///   torch, library, threads, capability, gflops: {float32, bfloat16}
Json torch_facts();

}  // namespace modeldiff
