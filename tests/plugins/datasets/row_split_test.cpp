#include "common/row_split.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

#include "fixtures.h"

using namespace modeldiff;
using namespace modeldiff::testing;

using Rows = std::vector<std::int64_t>;

TEST_CASE("numpy's permutations are reproduced") {
  for (const Json& known : baselines().at("permutations")) {
    CAPTURE(known.at("n").dump());
    CHECK(numpy_permutation(known.at("n"), known.at("seed").get<std::uint32_t>()) ==
          known.at("order").get<Rows>());
  }
}

TEST_CASE("a split uses every row once, the same for the same seed and another for another") {
  const RowSplit split = split_rows(50, 30, RowOrder::stream, 4);
  CHECK(split.train.size() == 30);
  Rows all = split.train;
  all.insert(all.end(), split.test.begin(), split.test.end());
  std::sort(all.begin(), all.end());
  Rows expected(50);
  std::iota(expected.begin(), expected.end(), 0);
  CHECK(all == expected);
  CHECK(split_rows(50, 30, RowOrder::stream, 4).train == split.train);
  CHECK(split_rows(50, 30, RowOrder::stream, 5).train != split.train);
  CHECK(split_rows(4, 3, RowOrder::file, 0).train == Rows{0, 1, 2});
  CHECK(split_rows(4, 3, RowOrder::file, 0).test == Rows{3});
}
