#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

/// Tests and intervals on plain numbers. The unit of replication is named by the caller: here it is
/// "a value". Every draw comes from a seed.
namespace modeldiff {

/// What has no value: the mean of nothing, a class without images.
inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Interval {
  double estimate = 0;
  double lower = 0;
  double upper = 0;
};

struct MeanTest {
  double difference = 0;
  double standard_error = 0;
  /// Degrees of freedom (Welch-Satterthwaite); 0 when neither side varies.
  double degrees = 0;
  double t = 0;
  /// Two-sided.
  double p_value = 1;
};

double mean(std::span<const double> values);
/// With n - 1. @throws ShapeError for fewer than 2 values
double sample_variance(std::span<const double> values);

/// Welch's test of equal means, unequal variances. When neither side varies, p is 1 for equal means
/// and else 0.
/// @throws ShapeError for fewer than 2 values a side
MeanTest welch_test(std::span<const double> a, std::span<const double> b);
/// mean a - mean b with its Welch interval.
Interval welch_interval(std::span<const double> a, std::span<const double> b, double confidence);
/// The mean with its t interval.
Interval t_interval(std::span<const double> values, double confidence);

/// Are paired differences symmetric about 0? Two-sided p of their mean under random signs: all 2^n
/// of them up to 2^20, else 2^20 drawn ones, the observed among them. The smallest p is 2^(1 - n).
double sign_flip_test(std::span<const double> differences, std::uint64_t seed);

struct EquivalenceTest {
  /// The larger of the two one-sided p-values.
  double p_value = 1;
  /// |mean| < margin at the level asked for.
  bool equivalent = false;
};
/// Two one-sided t tests (Schuirmann 1987) of |mean| >= margin.
EquivalenceTest equivalence_test(std::span<const double> values, double margin,
                                 double level = 0.05);

/// Adjusted p-values, in the order given; reject those <= q to keep the false discovery rate <= q
/// (Benjamini & Hochberg 1995), under independence or positive dependence.
std::vector<double> benjamini_hochberg(std::span<const double> p_values);
/// The same under any dependence (Benjamini & Yekutieli 2001).
std::vector<double> benjamini_yekutieli(std::span<const double> p_values);

/// Percentile bootstrap of the mean.
Interval bootstrap_mean(std::span<const double> values, double confidence, std::int64_t draws,
                        std::uint64_t seed);
/// Percentile bootstrap of any statistic. @param statistic of the drawn values, as many as given
Interval bootstrap(std::span<const double> values,
                   const std::function<double(std::span<const double>)>& statistic,
                   double confidence, std::int64_t draws, std::uint64_t seed);

/// Values [rows, columns], row-major, of two crossed factors: training runs and images.
struct Crossed {
  std::span<const double> values;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
};
/// Percentile interval of the grand mean with rows and columns drawn anew, independently: runs like
/// these on images like these.
Interval two_way_bootstrap(const Crossed& values, double confidence, std::int64_t draws,
                           std::uint64_t seed);
/// Of mean a - mean b: runs of either side drawn apart, images together, as both sides saw the
/// same.
Interval two_way_bootstrap_difference(const Crossed& a, const Crossed& b, double confidence,
                                      std::int64_t draws, std::uint64_t seed);

/// Kolmogorov-Smirnov p-value of "uniform on [0, 1]", asymptotic with Stephens' correction.
/// Discrete values make it conservative.
double uniform_test(std::span<const double> values);
/// P(X >= successes) of Binomial(trials, probability).
double binomial_tail(std::int64_t successes, std::int64_t trials, double probability);

/// Ranks from 1, ties averaged.
std::vector<double> ranks(std::span<const double> values);
/// NaN when a side is constant.
double pearson(std::span<const double> a, std::span<const double> b);
double spearman(std::span<const double> a, std::span<const double> b);

/// Linear between order statistics (Hyndman & Fan type 7). @param share in [0, 1]
double quantile(std::vector<double> values, double share);

}  // namespace modeldiff
