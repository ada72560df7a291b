#pragma once

#include <cstdint>
#include <functional>

namespace modeldiff {

/// Calls work(i) for every i of 0..n-1, from several threads. When calls throw, the exception of
/// the smallest i is thrown here, whatever the number of threads.
/// @param threads 0: one for each core
void parallel_for(std::int64_t n, std::int64_t threads,
                  const std::function<void(std::int64_t)>& work);

}  // namespace modeldiff
