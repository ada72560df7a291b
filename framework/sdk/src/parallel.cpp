#include "modeldiff/parallel.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <exception>

namespace modeldiff {

void in_parallel(std::int64_t count, const std::function<void(std::int64_t)>& work) {
  const auto threads = static_cast<int>(std::min<std::int64_t>(at::get_num_threads(), count));
  if (threads <= 1) {
    for (std::int64_t i = 0; i < count; ++i) work(i);
    return;
  }
  std::exception_ptr failure;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (std::int64_t i = 0; i < count; ++i) {
    try {
      work(i);
    } catch (...) {
#pragma omp critical(modeldiff_failure)
      if (!failure) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace modeldiff
