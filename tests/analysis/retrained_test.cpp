#include "analysis/retrained.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <limits>
#include <vector>

namespace modeldiff {
namespace {

TEST_CASE("a summary is the mean with its t interval; one value has none") {
  const std::vector<double> three{1, 2, 3};
  const Json of_three = summary_of(three, 0.95);
  CHECK(of_three.at("estimate") == 2);
  CHECK(of_three.at("n") == 3);
  CHECK(of_three.at("least") == 1);
  CHECK(of_three.at("most") == 3);
  // t with 2 degrees at 97.5 % is 4.302653, the standard error 1 / sqrt(3).
  CHECK(of_three.at("lower").get<double>() == doctest::Approx(2 - 4.302653 / 1.7320508));
  CHECK(of_three.at("upper").get<double>() == doctest::Approx(2 + 4.302653 / 1.7320508));
  const std::vector<double> one{1};
  CHECK(summary_of(one, 0.95).at("lower").is_null());
}

TEST_CASE("a summary of what is not finite is null, as JSON has no number for it") {
  const std::vector<double> values{1, std::numeric_limits<double>::quiet_NaN()};
  const Json summary = summary_of(values, 0.95);
  CHECK(summary.at("estimate").is_null());
  CHECK(summary.at("upper").is_null());
  CHECK_NOTHROW(canonical_text(summary));
}

TEST_CASE("the test score is accuracy, and the root mean squared error of a regression") {
  const at::Tensor outputs = at::tensor({1.0F, 2.0F, 4.0F, 3.0F}).reshape({2, 2});
  CHECK(test_score(outputs, at::tensor({1, 1}, at::kLong), Task::classification) == 0.5);
  const at::Tensor targets = at::tensor({1.0F, 2.0F, 4.0F, 7.0F}).reshape({2, 2});
  CHECK(test_score(outputs, targets, Task::regression) == 2);
}

}  // namespace
}  // namespace modeldiff
