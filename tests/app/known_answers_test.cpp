// What is known of the quickstart's planted difference beforehand.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "finished_quickstart.h"

namespace modeldiff::test {
namespace {

/// Weights are the same bits on one machine; another one's rounding may move a few examples.
constexpr double kTolerance = 0.1;

bool near(const Json& value, double expected) {
  return std::abs(value.get<double>() - expected) <= kTolerance;
}

}  // namespace

TEST_CASE("the score card of the planted mark is the one that was first seen") {
  const Json result = result_in(kQuickstart);
  const Json& card = result.at("evaluate").at("planted");
  CHECK(card.at("planted") == 30);
  CHECK(card.at("p_value") == 0.005);
  CHECK(near(card.at("precision"), 0.93));
  CHECK(near(card.at("query_precision"), 1.0));
  CHECK(near(card.at("auroc_within_class"), 0.997));
  CHECK(near(card.at("overlap"), 1.0));
  CHECK(card.at("leads_with_class") == true);
  CHECK(card.at("effect").at("A").at("estimate").get<double>() ==
        doctest::Approx(0.089).epsilon(0.25));
  CHECK(card.at("largest_effect_against").get<double>() <= 1e-6);
  CHECK(result.at("compare").at("control").at("p_value").get<double>() > 0.05);
}

TEST_CASE("the published factor 1 - p hides the mark") {
  const StoreCopy store;
  const ProgramRun run = store.run({"run", kFile, "--set", "attribute.q_power=1", "--set",
                                    "evaluate=[planted]", "--set", "expect={}"});
  CAPTURE(run.err);
  REQUIRE(run.exit_code == 0);
  CHECK(result_in(store.folder()).at("evaluate").at("planted").at("precision").get<double>() <=
        0.2);
}

TEST_CASE("what A has without B is found whichever of the two is named first") {
  const StoreCopy store;
  const ProgramRun run = store.run({"run", kFile, "--set", "compare.between=[B, A]", "--set",
                                    "evaluate=[]", "--set", "expect={}"});
  CAPTURE(run.err);
  REQUIRE(run.exit_code == 0);
  const Json result = result_in(store.folder()), result_first = result_in(kQuickstart);
  const Json &swapped = result.at("compare"), &first = result_first.at("compare");
  CHECK(swapped.at("of") == "B");
  REQUIRE(swapped.at("sides").size() == 2);
  for (const Json& side : first.at("sides")) {
    const Json& other = swapped.at("sides")[side.at("of") == "A" ? 1 : 0];
    CAPTURE(side.at("of").dump());
    CHECK(other.at("of") == side.at("of"));
    CHECK(other.at("against") == side.at("against"));
    CHECK(other.at("directions") == side.at("directions"));
    CHECK(other.at("p_value") == side.at("p_value"));
  }

  const Json& claims = result.at("verify").at("claims");
  CHECK(claims.size() == result_first.at("verify").at("claims").size());
  for (const Json& claim : result_first.at("verify").at("claims")) {
    CAPTURE(claim.at("label").dump());
    const auto same = std::find_if(claims.begin(), claims.end(), [&](const Json& other) {
      return other.at("label") == claim.at("label") &&
             other.at("target_class") == claim.at("target_class");
    });
    REQUIRE(same != claims.end());
    for (const char* name : {"effect", "by_run", "logit_effect", "changed_predictions"})
      CHECK(same->at(name) == claim.at(name));
    for (const char* name : {"difference", "logit_difference", "changed_difference"}) {
      CHECK(same->at(name).at("estimate").get<double>() ==
            -claim.at(name).at("estimate").get<double>());
    }
    // The two variances are added in another order.
    CHECK(same->at("p_value").get<double>() ==
          doctest::Approx(claim.at("p_value").get<double>()).epsilon(1e-12));
    CHECK(same->at("discovery") == claim.at("discovery"));
  }
}

}  // namespace modeldiff::test
