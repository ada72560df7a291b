#include "analysis/statistics.h"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <numeric>

#include "modeldiff/core/error.h"
#include "modeldiff/core/json.h"
#include "modeldiff/core/random.h"

using namespace modeldiff;

namespace {

const Json& baseline() {
  static const Json json = [] {
    std::ifstream file(MODELDIFF_SOURCE_DIR "/tests/baselines/statistics.json");
    REQUIRE(file.good());
    return Json::parse(file);
  }();
  return json;
}

std::vector<double> list(const char* name) {
  return baseline().at(name).get<std::vector<double>>();
}

void check_close(const std::vector<double>& found, const std::vector<double>& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-12));
  }
}

doctest::Approx close_to(const Json& expected) {
  return doctest::Approx(expected.get<double>()).epsilon(1e-10);
}

std::vector<double> drawn(std::uint64_t seed, std::size_t count, double shift = 0) {
  RandomStream random(seed, "test");
  std::vector<double> out(count);
  for (double& v : out) v = random.normal() + shift;
  return out;
}

}  // namespace

TEST_CASE("t tests and intervals give the numbers of scipy") {
  const Json& welch = baseline().at("welch");
  const MeanTest test = welch_test(list("a"), list("b"));
  CHECK(test.t == close_to(welch.at("t")));
  CHECK(test.degrees == close_to(welch.at("degrees")));
  CHECK(test.p_value == close_to(welch.at("p")));
  const Interval difference = welch_interval(list("a"), list("b"), 0.9);
  CHECK(difference.lower == close_to(welch.at("lower90")));
  CHECK(difference.upper == close_to(welch.at("upper90")));
  const Interval mean_of_a = t_interval(list("a"), 0.95);
  CHECK(mean_of_a.lower == close_to(baseline().at("t_interval").at("lower")));
  CHECK(mean_of_a.upper == close_to(baseline().at("t_interval").at("upper")));
  CHECK(equivalence_test(list("small"), baseline().at("margin").get<double>()).p_value ==
        close_to(baseline().at("equivalence")));
}

TEST_CASE("sides that do not vary are told apart for sure, or not at all") {
  const std::vector<double> ones(5, 1.0);
  const std::vector<double> twos(4, 2.0);
  CHECK(welch_test(ones, ones).p_value == 1);
  CHECK(welch_test(ones, twos).p_value == 0);
  CHECK(welch_interval(ones, twos, 0.95).lower == -1);
  CHECK(equivalence_test(ones, 0.5).p_value == 1);
  CHECK(equivalence_test(std::vector<double>(5, 0.0), 0.5).equivalent);
  CHECK_THROWS_WITH_AS(welch_test(ones, std::vector<double>{1.0}),
                       "a variance needs at least 2 values, got 1", ShapeError);
}

TEST_CASE("flipping signs of pairs: exact, and the smallest p is 2^(1-n)") {
  std::vector<double> differences = list("a");
  differences.resize(9);
  const std::vector<double> b = list("b");
  for (std::size_t i = 0; i < 9; ++i) differences[i] -= b[i];
  CHECK(sign_flip_test(differences, 0) == close_to(baseline().at("sign_flip")));
  CHECK(sign_flip_test(std::vector<double>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0) == std::pow(2.0, -9));
  CHECK(sign_flip_test(std::vector<double>{1, -1}, 0) == 1);
  // Above 20 pairs signs are drawn: near the normal approximation, and the same for the same seed.
  const std::vector<double> many = drawn(3, 25, 0.3);
  const double z = std::accumulate(many.begin(), many.end(), 0.0) /
                   std::sqrt(std::inner_product(many.begin(), many.end(), many.begin(), 0.0));
  CHECK(std::abs(sign_flip_test(many, 1) - std::erfc(std::abs(z) / std::sqrt(2.0))) < 0.02);
  CHECK(sign_flip_test(many, 1) == sign_flip_test(many, 1));
}

TEST_CASE(
    "Benjamini-Hochberg rejects the first two of the list, as scipy does; Yekutieli is stricter") {
  const std::vector<double> adjusted = benjamini_hochberg(list("p_values"));
  check_close(adjusted, list("benjamini_hochberg"));
  CHECK(std::count_if(adjusted.begin(), adjusted.end(), [](double p) { return p <= 0.05; }) == 2);
  CHECK(adjusted[1] <= 0.05);
  check_close(benjamini_yekutieli(list("p_values")), list("benjamini_yekutieli"));
  CHECK(benjamini_hochberg({}).empty());
  CHECK_THROWS_WITH_AS(benjamini_hochberg(std::vector<double>{0.5, 1.5}),
                       "a p-value must be in [0, 1], got 1.5", NumericalError);
}

TEST_CASE("the false discovery rate of families with half of the hypotheses null is kept") {
  constexpr int kFamilies = 1000, kHypotheses = 20;
  constexpr double kRate = 0.05;
  std::vector<double> proportions;
  for (int family = 0; family < kFamilies; ++family) {
    RandomStream random(7, "fdr", family);
    std::vector<double> p_values;
    for (int i = 0; i < kHypotheses; ++i) {
      const double z = random.normal() + (i % 2 == 0 ? 0 : 3);
      p_values.push_back(std::erfc(std::abs(z) / std::sqrt(2.0)));
    }
    const std::vector<double> adjusted = benjamini_hochberg(p_values);
    double found = 0;
    double wrong = 0;
    for (int i = 0; i < kHypotheses; ++i) {
      if (adjusted[i] > kRate) continue;
      found += 1;
      wrong += i % 2 == 0;
    }
    proportions.push_back(found > 0 ? wrong / found : 0);
  }
  const double error = std::sqrt(sample_variance(proportions) / kFamilies);
  CHECK(mean(proportions) <= kRate + 3 * error);
  CHECK(mean(proportions) > 0.005);  // half of .05 is expected: the procedure does reject
}

TEST_CASE("the bootstrap of a mean is close to its t interval and comes back with the seed") {
  const std::vector<double> values = drawn(1, 200);
  const Interval normal = t_interval(values, 0.9);
  const Interval drawn_again = bootstrap_mean(values, 0.9, 4000, 3);
  CHECK(drawn_again.estimate == normal.estimate);
  CHECK(std::abs(drawn_again.lower - normal.lower) < 0.015);
  CHECK(std::abs(drawn_again.upper - normal.upper) < 0.015);
  CHECK(bootstrap_mean(values, 0.9, 100, 3).lower == bootstrap_mean(values, 0.9, 100, 3).lower);
  CHECK(bootstrap_mean(values, 0.9, 100, 3).lower != bootstrap_mean(values, 0.9, 100, 4).lower);
}

TEST_CASE("the two-way bootstrap knows the spread of rows and of columns") {
  constexpr std::int64_t kRows = 30, kColumns = 50;
  const std::vector<double> rows = drawn(1, kRows);
  const std::vector<double> columns = drawn(2, kColumns);
  std::vector<double> table;
  for (const double r : rows) {
    for (const double c : columns) table.push_back(r + 2 * c);
  }
  const Interval interval = two_way_bootstrap({table, kRows, kColumns}, 0.95, 4000, 5);
  const double expected =
      std::sqrt(sample_variance(rows) / kRows + 4 * sample_variance(columns) / kColumns);
  CHECK(std::abs((interval.upper - interval.lower) / (2 * 1.96) / expected - 1) < 0.1);

  // Columns are shared by both sides: what they have in common drops out of the difference.
  const Interval difference = two_way_bootstrap_difference({table, kRows, kColumns},
                                                           {table, kRows, kColumns}, 0.95, 4000, 5);
  const double of_rows = std::sqrt(2 * sample_variance(rows) / kRows);
  CHECK(std::abs((difference.upper - difference.lower) / (2 * 1.96) / of_rows - 1) < 0.1);
  CHECK_THROWS_WITH_AS(two_way_bootstrap({table, 3, 4}, 0.95, 10, 0),
                       "1500 values are not a table of 3 rows and 4 columns", ShapeError);
}

TEST_CASE("the test of uniformity follows the exact distribution and sees what is not uniform") {
  // Stephens' correction is good to a few thousandths.
  CHECK(std::abs(uniform_test(list("uniform")) - baseline().at("uniform_exact").get<double>()) <
        0.02);
  std::vector<double> squeezed = list("uniform");
  for (double& v : squeezed) v = 0.3 * v;
  CHECK(uniform_test(squeezed) < 1e-6);
}

TEST_CASE("ranks and correlations give the numbers of scipy; constants have none") {
  check_close(ranks(list("ties")), list("ranks"));
  CHECK(spearman(list("ties"), list("other")) == close_to(baseline().at("spearman")));
  CHECK(pearson(list("ties"), list("other")) == close_to(baseline().at("pearson")));
  CHECK(std::isnan(spearman(std::vector<double>{1, 1, 1}, std::vector<double>{1, 2, 3})));
}

TEST_CASE("binomial tails and quantiles") {
  CHECK(binomial_tail(6, 40, 0.05) == close_to(baseline().at("binomial_tail")));
  CHECK(binomial_tail(0, 40, 0.05) == 1);
  CHECK(binomial_tail(41, 40, 0.05) == 0);
  CHECK(quantile({4, 1, 3, 2}, 0.5) == 2.5);
  CHECK(quantile({4, 1, 3, 2}, 0) == 1);
  CHECK(quantile({4, 1, 3, 2}, 1) == 4);
}
