#pragma once

#include <cstdint>
#include <functional>

#include "modeldiff/core/api.h"

namespace modeldiff {

/// Calls work(i) for i in 0 .. count - 1 on torch's number of threads, in any order; a worker has
/// one and computes in line. torch's own parallel_for runs in line wherever it is compiled without
/// OpenMP, and linking a second OpenMP beside torch's would make a second pool.
/// @throws what a call threw, once all others are done
MODELDIFF_API void in_parallel(std::int64_t count, const std::function<void(std::int64_t)>& work);

}  // namespace modeldiff
