#include "config/semantic.h"

#include <doctest/doctest.h>

#include "config/check.h"
#include "config/yaml.h"
#include "small_experiment.h"

namespace modeldiff {
namespace {

Json described(const std::string& rest) {
  return checked_description(parse_yaml("experiment: e\ndataset: digits\n" + rest, "f"),
                             test::small_schema(), test::small_catalog());
}

Json semantic(const Json& description) {
  return semantic_part(description, test::small_schema(), test::small_catalog());
}

}  // namespace

TEST_CASE(
    "fields that change no result, at the top and inside of plugins, are no part of what is "
    "hashed") {
  const Json a = described(
      "workers: 3\nmeta: {note: 1}\nx-y: 2\nalgorithms: {A: {plugin: sgd, model: mlp, threads: "
      "8}}\n");
  const Json b = described("algorithms: {A: {plugin: sgd, model: mlp}}\n");
  CHECK(a != b);
  CHECK(semantic(a) == semantic(b));
  CHECK_FALSE(semantic(a).contains("workers"));
  CHECK_FALSE(semantic(a)["algorithms"]["A"].contains("threads"));
}

TEST_CASE("every other field is part of it") {
  const Json base = described("algorithms: {A: {plugin: sgd, model: mlp}}\n");
  for (const char* other : {"seed: 1\nalgorithms: {A: {plugin: sgd, model: mlp}}\n",
                            "algorithms: {B: {plugin: sgd, model: mlp}}\n",
                            "algorithms: {A: {plugin: adam, model: mlp}}\n",
                            "algorithms: {A: {plugin: sgd, model: mlp, lr: 1}}\n",
                            "algorithms: {A: {plugin: sgd, model: {plugin: mlp, hidden: [3]}}}\n",
                            "algorithms: {A: {plugin: sgd, model: mlp, input_mask: corners}}\n",
                            "algorithms: {A: {plugin: sgd, model: mlp}}\nattribute: trak\n",
                            "algorithms: {A: {plugin: sgd, model: mlp}}\npropose: [patches]\n"}) {
    CAPTURE(other);
    CHECK(semantic(described(other)) != semantic(base));
  }
}

TEST_CASE("nothing else is lost") {
  Json description = described(
      "algorithms: {A: {plugin: sgd, model: mlp}}\nattribute: trak\npropose: [patches]\n");
  const Json found = semantic(description);
  description.erase("workers");
  description["algorithms"]["A"].erase("threads");
  CHECK(found == description);
}

TEST_CASE("one plugin's parameters, with and without the keys of its section") {
  const Json a = described(
      "algorithms: {A: {plugin: sgd, model: mlp, threads: 8, input_mask: corners}}\n")["algorithms"]
                                                                                      ["A"];
  const FieldInfo& algorithm = *test::small_schema().find("algorithms")->element;
  CHECK(semantic_part(a, algorithm, test::small_catalog())["input_mask"] == "corners");
  const Json alone = semantic_plugin_part(a, "algorithms", test::small_catalog());
  CHECK(alone["plugin"] == "sgd");
  CHECK_FALSE(alone.contains("input_mask"));
  CHECK_FALSE(alone.contains("threads"));
}

}  // namespace modeldiff
