#pragma once

#include <cstdint>
#include <functional>

#include "modeldiff/core/api.h"

namespace modeldiff {

/// Calls work(i) for i in 0 .. count - 1 on torch's number of threads and its pool, in any order; a
/// worker has one and computes in line. torch's own parallel_for is a template, which is serial
/// where a file is compiled without OpenMP.
/// @throws what a call threw; the others may or may not have been made
MODELDIFF_API void in_parallel(std::int64_t count, const std::function<void(std::int64_t)>& work);

}  // namespace modeldiff
