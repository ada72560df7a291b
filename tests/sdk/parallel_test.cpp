#include "modeldiff/parallel.h"

#include <ATen/Parallel.h>
#include <doctest/doctest.h>

#include <atomic>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace modeldiff {
namespace {

/// Sets torch's number of threads while it lives.
class Threads {
 public:
  explicit Threads(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(before_); }

 private:
  int before_;
};

TEST_CASE("each call is made once, whatever the number of threads") {
  for (const int threads : {1, 2, 3}) {
    const Threads set(threads);
    std::vector<std::atomic<int>> calls(1000);
    in_parallel(1000, [&](std::int64_t i) { ++calls[static_cast<std::size_t>(i)]; });
    for (const auto& count : calls) CHECK(count == 1);
    in_parallel(0, [](std::int64_t) { FAIL("nothing to do"); });
  }
}

TEST_CASE("two threads do work at the same time") {
  const Threads set(2);
  std::atomic<int> inside{0};
  std::atomic<bool> met{false};
  in_parallel(2, [&](std::int64_t) {
    ++inside;
    for (int wait = 0; wait < 10000 && !met; ++wait) {
      if (inside == 2) met = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  CHECK(met);
}

TEST_CASE("what a call throws is thrown once all others are done") {
  for (const int threads : {1, 2}) {
    const Threads set(threads);
    std::atomic<int> done{0};
    CHECK_THROWS_WITH_AS(in_parallel(10,
                                     [&](std::int64_t i) {
                                       if (i == 9) throw std::runtime_error("the ninth");
                                       ++done;
                                     }),
                         "the ninth", std::runtime_error);
    CHECK(done == 9);
  }
}

}  // namespace
}  // namespace modeldiff
