#include "config/key_path.h"

#include <doctest/doctest.h>

#include "config/yaml.h"

namespace modeldiff {
namespace {

using Parts = std::vector<std::string>;

}  // namespace

TEST_CASE("a key path is split at dots and brackets") {
  CHECK(split_key_path("seed") == Parts{"seed"});
  CHECK(split_key_path("algorithms.A.lr") == Parts{"algorithms", "A", "lr"});
  CHECK(split_key_path("a[1][20].b") == Parts{"a", "1", "20", "b"});
  CHECK(split_key_path("a.1.b") == Parts{"a", "1", "b"});
}

TEST_CASE("a malformed key path is none") {
  for (const char* path : {"", ".", "a.", ".a", "a..b", "[0]", "a[", "a[]", "a[x]", "a[-1]",
                           "a[1]b", "a.[1]", "a[99999999999999999999]"}) {
    CAPTURE(path);
    CHECK_FALSE(split_key_path(path));
  }
}

TEST_CASE(
    "an error that names a key path is placed at the value, or at the longest part that is there") {
  const Value root = parse_yaml(
      "algorithms:\n"
      "  A:\n"
      "    lr: 0.1\n"
      "    hidden: [64, 32]\n"
      "expect:\n"
      "  compare.p_value: x\n",
      "f");
  CHECK(locate_key_path(root, "algorithms.A.lr").text() == "f:3:9");
  CHECK(locate_key_path(root, "algorithms.A.nesterov").text() == "f:2:3");
  CHECK(locate_key_path(root, "algorithms.A.hidden").text() == "f:4:5");
  CHECK(locate_key_path(root, "algorithms.A.hidden[1]").text() == "f:4:18");
  CHECK(locate_key_path(root, "algorithms.A.hidden[7].x").text() == "f:4:5");
  CHECK(locate_key_path(root, "algorithms.A.lr.x.y").text() == "f:3:5");
  CHECK(locate_key_path(root, "expect.compare.p_value").text() == "f:6:20");
  CHECK(locate_key_path(root, "nothing.here").text() == "f");
  CHECK(locate_key_path(root, "..").text() == "f:1:1");
}

}  // namespace modeldiff
