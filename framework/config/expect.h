#pragma once

#include <string>
#include <vector>

#include "modeldiff/core/json.h"
#include "modeldiff/core/value.h"

/// `expect:` turns a claim into an exit code: {compare.p_value: "<= 0.05", verify.effect: "in [0.1,
/// 0.3]"}.
namespace modeldiff {

/// A condition on one value.
struct Condition {
  enum class Test { less, at_most, more, at_least, equal, not_equal, within };

  Test test = Test::equal;
  /// A number, boolean or string; numbers alone have an order. `within`: the lower end.
  Json bound;
  /// `within`: the upper end. Both ends belong to the interval.
  Json upper;
  /// `equal`: "== 0.3 +- 0.02" allows this much to either side.
  double tolerance = 0;

  /// False for values that cannot be compared, null (not a finite number) among them.
  bool holds(const Json& found) const;
};

struct Expectation {
  std::string path;
  std::string text;
  Condition condition;
  SourceLocation where;
};

/// One row of the verdict.
struct ExpectationResult {
  std::string path;
  /// "<= 0.05"
  std::string condition;
  /// Null when the result has nothing at the path.
  Json found;
  bool holds = false;
  /// Why it could not be compared: "the result has no 'compare.p_valu'; did you mean
  /// 'compare.p_value'?"; else empty.
  std::string note;
  SourceLocation where;
};

/// @param section the map under `expect:`. A bare number or boolean is a condition too: equal to
/// it.
/// @throws ConfigError with all conditions that cannot be read
std::vector<Expectation> parse_expectations(const Value& section);

/// @param result the content of result.json
std::vector<ExpectationResult> evaluate_expectations(const std::vector<Expectation>& expectations,
                                                     const Json& result);

}  // namespace modeldiff
