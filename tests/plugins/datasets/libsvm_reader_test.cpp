#include "libsvm/libsvm_reader.h"

#include <doctest/doctest.h>

#include "fixtures.h"

using namespace modeldiff;
using namespace modeldiff::testing;

TEST_CASE("rows of a sparse table, with comments, empty rows and empty lines") {
  const SparseTable table =
      parse_libsvm("+1 1:0.5 3:-2e1 # first\r\n\n-1\n# only this\n1\t7:1\n", "t");
  CHECK(table.labels == std::vector<double>{1, -1, 1});
  CHECK(table.begins == std::vector<std::size_t>{0, 2, 2, 3});
  CHECK(table.least_index == 1);
  CHECK(table.largest_index == 7);
  REQUIRE(table.entries.size() == 3);
  CHECK(table.entries[1].index == 3);
  CHECK(table.entries[1].value == -20);
}

TEST_CASE("a sparse table that is malformed is refused with its line") {
  const struct {
    std::string text;
    std::string error;
  } cases[] = {
      {"\n# nothing\n", "t: has no rows"},
      {"1 1:1\ncat 1:1\n", "t:2: the label 'cat' is no finite number"},
      {"1 1\n", "t:1: expected INDEX:VALUE with finite numbers, found '1'"},
      {"1 1:x\n", "t:1: expected INDEX:VALUE with finite numbers, found '1:x'"},
      {"1 -1:2\n", "t:1: expected INDEX:VALUE with finite numbers, found '-1:2'"},
      {"1 qid:3 1:2\n", "t:1: expected INDEX:VALUE with finite numbers, found 'qid:3'"},
      {"1 99999999999999999999:1\n",
       "t:1: expected INDEX:VALUE with finite numbers, found '99999999999999999999:1'"},
      {"1 1:inf\n", "t:1: expected INDEX:VALUE with finite numbers, found '1:inf'"},
      {"1 2:1 2:1\n", "t:1: index 2 follows 2; indices must ascend"},
  };
  for (const auto& [text, error] : cases) {
    CHECK(error_of<DataError>([&] { parse_libsvm(text, "t"); }) == error);
  }
}
