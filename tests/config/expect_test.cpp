#include "config/expect.h"

#include <doctest/doctest.h>

#include <limits>

#include "config/yaml.h"
#include "config_errors.h"

namespace modeldiff {
namespace {

const Json kResult =
    Json::parse(R"({"compare": {"p_value": 0.02, "none": null, "verdict": "different"},
  "verify": {"best": {"effect": {"A": {"mean": 0.09, "n": 20}}}, "holds": true}, "rows": [{"lds": 0.5}, {"lds": 0.25}]})");

/// The row of one condition on the result.
ExpectationResult row(const std::string& path, const std::string& condition) {
  const Value section =
      Value::map({{path, parse_yaml("v: " + condition, "f").entries()[0].second}}, {"f", 1, 1});
  return evaluate_expectations(parse_expectations(section), kResult).at(0);
}

}  // namespace

TEST_CASE("each condition holds exactly where it says") {
  struct Case {
    const char* condition;
    bool holds;
  };
  // compare.p_value is 0.02
  const Case cases[] = {{"'<= 0.02'", true},
                        {"'< 0.02'", false},
                        {"'>= 0.02'", true},
                        {"'> 0.02'", false},
                        {"'> 0.01'", true},
                        {"'== 0.02'", true},
                        {"'!= 0.02'", false},
                        {"'in [0.02, 0.1]'", true},
                        {"'in [0, 0.02]'", true},
                        {"'in [0.03, 1]'", false},
                        {"'== 0.03 +- 0.011'", true},
                        {"'== 0.03 +- 0.009'", false},
                        {"'  <=0.05 '", true},
                        {"0.02", true},
                        {"0.03", false},
                        {"'< 1e9'", true}};
  for (const Case& c : cases) {
    CAPTURE(c.condition);
    CHECK(row("compare.p_value", c.condition).holds == c.holds);
  }
}

TEST_CASE("booleans and words can be equal and have no order") {
  CHECK(row("verify.holds", "'== true'").holds);
  CHECK(row("verify.holds", "true").holds);
  CHECK_FALSE(row("verify.holds", "'!= true'").holds);
  CHECK_FALSE(row("verify.holds", "'== 1'").holds);
  CHECK(row("compare.verdict", "'== different'").holds);
  CHECK(row("compare.verdict", "'!= same'").holds);
  CHECK_FALSE(row("compare.verdict", "'> 0'").holds);
  CHECK(row("compare.verdict", "'> 0'").note == "\"different\" is not a number");
}

TEST_CASE("a row says what was asked for and what was found") {
  const ExpectationResult found = row("verify.best.effect.A.n", "'>= 30'");
  CHECK(found.path == "verify.best.effect.A.n");
  CHECK(found.condition == ">= 30");
  CHECK(found.found == 20);
  CHECK_FALSE(found.holds);
  CHECK(found.note == "");
  CHECK(row("verify.holds", "false").condition == "== false");
}

TEST_CASE("paths lead through lists") {
  CHECK(row("rows[1].lds", "0.25").holds);
  CHECK(row("rows.0.lds", "0.5").holds);
  CHECK(row("rows[2].lds", "0.5").note ==
        "the result has no 'rows[2].lds'; did you mean 'rows[0].lds'?");
}

TEST_CASE("a path that leads nowhere fails its condition and names the nearest one") {
  const ExpectationResult found = row("compare.p_valu", "'!= 0'");
  CHECK_FALSE(found.holds);
  CHECK(found.found.is_null());
  CHECK(found.note == "the result has no 'compare.p_valu'; did you mean 'compare.p_value'?");
  CHECK(row("nothing.like.it", "0").note == "the result has no 'nothing.like.it'");
}

TEST_CASE("what is not finite, a list or a map meets no condition") {
  CHECK_FALSE(row("compare.none", "'!= 0'").holds);
  CHECK(row("compare.none", "'< 3'").note == "not a finite number");
  CHECK(row("rows", "'== 3'").note == "a list, not a value");
  CHECK(row("verify", "'== 3'").note == "a map, not a value");
  Condition unlike;
  unlike.test = Condition::Test::not_equal;
  unlike.bound = 0;
  CHECK_FALSE(unlike.holds(std::numeric_limits<double>::quiet_NaN()));
  CHECK(unlike.holds(1.5));
}

TEST_CASE("all conditions that cannot be read are reported with their places") {
  CHECK(config_errors([] {
          parse_expectations(parse_yaml("a: '<'\nb: '>= x'\nc: '< 1'\nd: 'in 3'\ne:\n", "f"));
        }) ==
        "f:1:4 expect: a: a value is missing\n"
        "f:2:4 expect: b: 'x' is not a number\n"
        "f:4:4 expect: d: '3' is no interval such as [0.1, 0.3]\n"
        "f:5:1 expect: e: the condition is missing; a condition is '<= 0.05', '> 3', '== true', "
        "'!= 0', '== 0.3 +- 0.02' or "
        "'in [0.1, 0.3]'");
  CHECK(config_errors([] { parse_expectations(parse_yaml("[a]", "f")); }) ==
        "f:1:1 expect must map paths of the result to conditions, got a list of 1");
}

}  // namespace modeldiff
