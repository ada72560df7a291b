#include "report/measured_seconds.h"

#include <doctest/doctest.h>

#include "temporary_folder.h"

namespace modeldiff {
namespace {

Json seconds_of(std::vector<std::string> artifacts, std::vector<std::string> parts) {
  return {{"seconds_of", artifacts}, {"parts", parts}};
}

TEST_CASE("seconds are filled in from the log: the median of what the parts took together") {
  const TemporaryFolder folder;
  const Store store(folder.path());
  const auto log = [&](const char* key, double load, double work) {
    store.record_attempt({{"key", key}, {"parts", {{"load", load}, {"work", work}}}});
  };
  log("a", 1, 10);
  log("b", 2, 30);
  log("c", 3, 20);
  log("a", 1, 12);  // made again: the last counts
  store.record_attempt({{"key", "untimed"}, {"seconds", 5}});
  MeasuredSeconds seconds(store);
  CHECK(seconds.filled(seconds_of({"a"}, {"work"})) == Json(12.0));
  CHECK(seconds.filled(seconds_of({"a", "b", "c"}, {"load", "work"})) == Json(23.0));
  CHECK(seconds.filled(seconds_of({"b", "untimed"}, {"work"})) == Json(30.0));
  CHECK(seconds.filled(seconds_of({"untimed", "unknown"}, {"work"})).is_null());
  CHECK(seconds.filled(seconds_of({"a"}, {"unknown"})) == Json(0.0));
  CHECK(seconds.filled({{"ratio", {seconds_of({"b"}, {"work"}), seconds_of({"a"}, {"work"})}}}) ==
        Json(2.5));
  CHECK(seconds.filled({{"ratio", {seconds_of({"b"}, {"work"}), seconds_of({"x"}, {"work"})}}})
            .is_null());
}

TEST_CASE("what names no seconds stays as it is, at any depth") {
  const TemporaryFolder folder;
  const Store store(folder.path());
  store.record_attempt({{"key", "a"}, {"parts", {{"work", 4}}}});
  MeasuredSeconds seconds(store);
  const Json content{{"x", {1, "two", nullptr}}, {"y", {{"z", seconds_of({"a"}, {"work"})}}}};
  CHECK(seconds.filled(content) == Json{{"x", {1, "two", nullptr}}, {"y", {{"z", 4.0}}}});
}

}  // namespace
}  // namespace modeldiff
