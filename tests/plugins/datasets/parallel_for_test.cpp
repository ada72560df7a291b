#include "common/parallel_for.h"

#include <doctest/doctest.h>

#include <stdexcept>
#include <vector>

#include "fixtures.h"

using namespace modeldiff;
using namespace modeldiff::testing;

TEST_CASE("every index is visited once, by any number of threads") {
  for (const std::int64_t threads : {0, 1, 2, 7}) {
    for (const std::int64_t n : {0, 1, 63, 64, 65, 1000}) {
      CAPTURE(threads);
      CAPTURE(n);
      std::vector<int> visits(static_cast<std::size_t>(n), 0);
      parallel_for(n, threads, [&](std::int64_t i) { ++visits[static_cast<std::size_t>(i)]; });
      CHECK(visits == std::vector<int>(static_cast<std::size_t>(n), 1));
    }
  }
}

TEST_CASE("of several failures the first by index is reported, whatever the number of threads") {
  for (const std::int64_t threads : {1, 2, 5}) {
    for (int repeat = 0; repeat < 20; ++repeat) {
      const std::string error = error_of<std::runtime_error>([&] {
        parallel_for(2000, threads, [](std::int64_t i) {
          if (i % 300 == 299) throw std::runtime_error(std::to_string(i));
        });
      });
      CHECK(error == "299");
    }
  }
}
