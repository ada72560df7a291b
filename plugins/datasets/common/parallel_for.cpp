#include "common/parallel_for.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace modeldiff {

void parallel_for(std::int64_t n, std::int64_t threads,
                  const std::function<void(std::int64_t)>& work) {
  constexpr std::int64_t kBlock = 64;
  std::atomic<std::int64_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::int64_t failed_at = n;
  std::exception_ptr failure;

  // Blocks are handed out in order and a block that was begun is finished up to its first failure,
  // so that the smallest failing index is always reached.
  const auto run_blocks = [&] {
    while (!failed) {
      const std::int64_t begin = next.fetch_add(kBlock), end = std::min(begin + kBlock, n);
      if (begin >= n) return;
      for (std::int64_t i = begin; i < end; ++i) {
        try {
          work(i);
        } catch (...) {
          const std::lock_guard lock(mutex);
          if (i < failed_at) failed_at = i, failure = std::current_exception();
          failed = true;
          return;
        }
      }
    }
  };

  if (threads == 0) threads = std::max(1u, std::thread::hardware_concurrency());
  {
    std::vector<std::jthread> helpers;
    for (std::int64_t t = 1; t < std::min(threads, (n + kBlock - 1) / kBlock); ++t)
      helpers.emplace_back(run_blocks);
    run_blocks();
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace modeldiff
