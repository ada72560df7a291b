#include "config/nearest.h"

#include <doctest/doctest.h>

namespace modeldiff {

TEST_CASE(
    "one edit is a letter put in, left out, replaced or swapped with its neighbour; another case "
    "is half of one") {
  CHECK(edit_distance_halves("epochs", "epochs") == 0);
  CHECK(edit_distance_halves("epoch", "epochs") == 2);
  CHECK(edit_distance_halves("nestorov", "nesterov") == 2);
  CHECK(edit_distance_halves("triangel", "triangle") == 2);
  CHECK(edit_distance_halves("Lr", "lr") == 1);
  CHECK(edit_distance_halves("", "abc") == 6);
  CHECK(edit_distance_halves("kitten", "sitting") == 6);
  CHECK(edit_distance_halves("ca", "abc") ==
        6);  // optimal string alignment: no letter is edited twice
}

TEST_CASE("the distance is symmetric") {
  for (const auto& [a, b] : {std::pair("momentum", "nesterov"), std::pair("lr", "learning_rate"),
                             std::pair("ab", "ba")}) {
    CHECK(edit_distance_halves(a, b) == edit_distance_halves(b, a));
  }
}

TEST_CASE("only what a typing error explains is proposed") {
  CHECK(nearest_name("epoch", {"lr", "epochs"}) == "epochs");
  CHECK(nearest_name("MLP", {"cnn", "mlp"}) == "mlp");
  CHECK(nearest_name("rl", {"lr"}) == "lr");
  CHECK(nearest_name("a", {"b", "A"}) == "A");
  CHECK_FALSE(nearest_name("C", {"A", "B"}));
  CHECK_FALSE(nearest_name("bootstrap", {"directions", "permutations"}));
  CHECK_FALSE(nearest_name("", {"a"}));
  CHECK_FALSE(nearest_name(std::string(100'000, 'a'), {std::string(100'000, 'a')}));
}

TEST_CASE("what a name is short for is proposed where only one name can be meant") {
  CHECK(nearest_name("patch", {"colour", "patches"}) == "patches");
  CHECK(nearest_name("minutes", {"cell_minutes", "memory_gib"}) == "cell_minutes");
  CHECK(nearest_name("learning_rate", {"momentum", "lr"}) == "lr");
  CHECK(nearest_name("fdr", {"runs", "false_discovery_rate"}) == "false_discovery_rate");
  CHECK_FALSE(nearest_name("project", {"projection", "projection_kind"}));
  CHECK_FALSE(nearest_name("at", {"attribute"}));
}

TEST_CASE("without a near name the valid ones are listed, not all of a long list") {
  CHECK(name_advice("xyz", {"alpha", "beta"}, "there are") == "; there are: alpha, beta");
  CHECK(name_advice("alhpa", {"alpha", "beta"}, "there are") == "; did you mean 'alpha'?");
  CHECK(name_advice("xyz", {}, "there are") == "");
  const std::vector<std::string> many(50, "name");
  CHECK(name_advice("xyz", many, "there are").ends_with("name, and 10 more"));
}

}  // namespace modeldiff
