#include "analysis/statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>
#include <numeric>

#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"

namespace modeldiff {
namespace {

double size_of(std::span<const double> values) { return static_cast<double>(values.size()); }

double two_sided(double t, double degrees) {
  return 2 *
         boost::math::cdf(boost::math::complement(boost::math::students_t(degrees), std::abs(t)));
}

/// P(T > t); the limit where nothing varies.
double upper_tail(double difference, double standard_error, double degrees) {
  if (standard_error == 0) return difference > 0 ? 0 : 1;
  return boost::math::cdf(
      boost::math::complement(boost::math::students_t(degrees), difference / standard_error));
}

double t_quantile(double confidence, double degrees) {
  return boost::math::quantile(
      boost::math::complement(boost::math::students_t(degrees), (1 - confidence) / 2));
}

void check_confidence(double confidence) {
  if (!(confidence > 0 && confidence < 1)) {
    throw ShapeError(fmt::format("a confidence must be in (0, 1), got {}", confidence));
  }
}

void check_draws(std::int64_t draws) {
  if (draws < 1)
    throw ShapeError(fmt::format("the number of draws must be at least 1, got {}", draws));
}

Interval percentile_interval(double estimate, std::vector<double> drawn, double confidence) {
  std::sort(drawn.begin(), drawn.end());
  return {estimate, quantile(drawn, (1 - confidence) / 2), quantile(drawn, (1 + confidence) / 2)};
}

/// How often each of `count` things is drawn in `count` draws with replacement.
void draw_counts(RandomStream& random, std::vector<double>& counts) {
  const std::uint64_t count = counts.size();
  std::fill(counts.begin(), counts.end(), 0.0);
  for (std::uint64_t i = 0; i < count; ++i) counts[random.below(count)] += 1;
}

void check_crossed(const Crossed& x) {
  if (x.rows < 1 || x.columns < 1 ||
      static_cast<std::int64_t>(x.values.size()) != x.rows * x.columns) {
    throw ShapeError(fmt::format("{} values are not a table of {} rows and {} columns",
                                 x.values.size(), x.rows, x.columns));
  }
}

/// Mean over cells, weighted by the counts of rows and columns, each of which sums to its number.
double weighted_mean(const Crossed& x, const std::vector<double>& rows,
                     const std::vector<double>& columns) {
  double total = 0;
  for (std::int64_t r = 0; r < x.rows; ++r) {
    if (rows[r] == 0) continue;
    const double* row = x.values.data() + r * x.columns;
    total += rows[r] * std::inner_product(row, row + x.columns, columns.begin(), 0.0);
  }
  return total / (static_cast<double>(x.rows) * static_cast<double>(x.columns));
}

std::vector<double> step_up(std::span<const double> p_values, double factor) {
  const std::size_t count = p_values.size();
  for (const double p : p_values) {
    if (!(p >= 0 && p <= 1))
      throw NumericalError(fmt::format("a p-value must be in [0, 1], got {}", p));
  }
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](auto i, auto j) { return p_values[i] < p_values[j]; });
  std::vector<double> adjusted(count);
  double least = 1;
  for (std::size_t rank = count; rank-- > 0;) {
    // The quotient first: it is 1 exactly for the largest p-value, which must not come out smaller.
    const double penalty = factor * (static_cast<double>(count) / static_cast<double>(rank + 1));
    least = std::min(least, p_values[order[rank]] * penalty);
    adjusted[order[rank]] = least;
  }
  return adjusted;
}

}  // namespace

double mean(std::span<const double> values) {
  if (values.empty()) throw ShapeError("the mean of no values");
  return std::accumulate(values.begin(), values.end(), 0.0) / size_of(values);
}

double sample_variance(std::span<const double> values) {
  if (values.size() < 2)
    throw ShapeError(fmt::format("a variance needs at least 2 values, got {}", values.size()));
  const double m = mean(values);
  double sum = 0;
  for (const double v : values) sum += (v - m) * (v - m);
  return sum / (size_of(values) - 1);
}

MeanTest welch_test(std::span<const double> a, std::span<const double> b) {
  const double va = sample_variance(a) / size_of(a);
  const double vb = sample_variance(b) / size_of(b);
  MeanTest out;
  out.difference = mean(a) - mean(b);
  out.standard_error = std::sqrt(va + vb);
  if (out.standard_error == 0) {
    out.t = out.difference == 0
                ? 0
                : std::copysign(std::numeric_limits<double>::infinity(), out.difference);
    out.p_value = out.difference == 0 ? 1 : 0;
    return out;
  }
  const double share = va / (va + vb);
  out.degrees =
      1 / (share * share / (size_of(a) - 1) + (1 - share) * (1 - share) / (size_of(b) - 1));
  out.t = out.difference / out.standard_error;
  out.p_value = two_sided(out.t, out.degrees);
  return out;
}

Interval welch_interval(std::span<const double> a, std::span<const double> b, double confidence) {
  check_confidence(confidence);
  const MeanTest test = welch_test(a, b);
  if (test.standard_error == 0) return {test.difference, test.difference, test.difference};
  const double half = t_quantile(confidence, test.degrees) * test.standard_error;
  return {test.difference, test.difference - half, test.difference + half};
}

Interval t_interval(std::span<const double> values, double confidence) {
  check_confidence(confidence);
  const double half = t_quantile(confidence, size_of(values) - 1) *
                      std::sqrt(sample_variance(values) / size_of(values));
  const double m = mean(values);
  return {m, m - half, m + half};
}

double sign_flip_test(std::span<const double> differences, std::uint64_t seed) {
  constexpr std::size_t kExactUpTo = 20;
  constexpr std::uint64_t kDraws = std::uint64_t{1} << kExactUpTo;
  const std::size_t n = differences.size();
  if (n < 2)
    throw ShapeError(fmt::format("a sign-flip test needs at least 2 differences, got {}", n));
  double scale = 0;
  for (const double d : differences) scale += std::abs(d);
  const double reached =
      std::abs(std::accumulate(differences.begin(), differences.end(), 0.0)) - 1e-12 * scale;

  std::uint64_t as_large = 0;
  if (n <= kExactUpTo) {
    const std::uint64_t flips = std::uint64_t{1} << n;
    for (std::uint64_t signs = 0; signs < flips; ++signs) {
      double sum = 0;
      for (std::size_t i = 0; i < n; ++i)
        sum += (signs >> i & 1) != 0 ? -differences[i] : differences[i];
      as_large += std::abs(sum) >= reached;
    }
    return static_cast<double>(as_large) / static_cast<double>(flips);
  }
  RandomStream random(seed, "sign-flip");
  for (std::uint64_t draw = 1; draw < kDraws; ++draw) {
    double sum = 0;
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < n; ++i, bits >>= 1) {
      if (i % 32 == 0) bits = random();
      sum += (bits & 1) != 0 ? -differences[i] : differences[i];
    }
    as_large += std::abs(sum) >= reached;
  }
  return static_cast<double>(as_large + 1) / static_cast<double>(kDraws);
}

EquivalenceTest equivalence_test(std::span<const double> values, double margin, double level) {
  if (!(margin > 0))
    throw ShapeError(fmt::format("an equivalence margin must be above 0, got {}", margin));
  const double m = mean(values);
  const double standard_error = std::sqrt(sample_variance(values) / size_of(values));
  const double degrees = size_of(values) - 1;
  EquivalenceTest out;
  out.p_value = std::max(upper_tail(m + margin, standard_error, degrees),
                         upper_tail(margin - m, standard_error, degrees));
  out.equivalent = out.p_value < level;
  return out;
}

std::vector<double> benjamini_hochberg(std::span<const double> p_values) {
  return step_up(p_values, 1);
}

std::vector<double> benjamini_yekutieli(std::span<const double> p_values) {
  double harmonic = 0;
  for (std::size_t i = 1; i <= p_values.size(); ++i) harmonic += 1 / static_cast<double>(i);
  return step_up(p_values, harmonic);
}

Interval bootstrap_mean(std::span<const double> values, double confidence, std::int64_t draws,
                        std::uint64_t seed) {
  return bootstrap(
      values, [](std::span<const double> drawn) { return mean(drawn); }, confidence, draws, seed);
}

Interval bootstrap(std::span<const double> values,
                   const std::function<double(std::span<const double>)>& statistic,
                   double confidence, std::int64_t draws, std::uint64_t seed) {
  check_confidence(confidence);
  check_draws(draws);
  if (values.empty()) throw ShapeError("a bootstrap of no values");
  RandomStream random(seed, "bootstrap");
  std::vector<double> sample(values.size());
  std::vector<double> drawn(static_cast<std::size_t>(draws));
  for (double& result : drawn) {
    for (double& v : sample) v = values[random.below(values.size())];
    result = statistic(sample);
  }
  return percentile_interval(statistic(values), std::move(drawn), confidence);
}

Interval two_way_bootstrap(const Crossed& values, double confidence, std::int64_t draws,
                           std::uint64_t seed) {
  check_confidence(confidence);
  check_draws(draws);
  check_crossed(values);
  RandomStream random(seed, "two-way-bootstrap");
  std::vector<double> rows(values.rows);
  std::vector<double> columns(values.columns);
  std::vector<double> drawn(static_cast<std::size_t>(draws));
  for (double& result : drawn) {
    draw_counts(random, rows);
    draw_counts(random, columns);
    result = weighted_mean(values, rows, columns);
  }
  return percentile_interval(mean(values.values), std::move(drawn), confidence);
}

Interval two_way_bootstrap_difference(const Crossed& a, const Crossed& b, double confidence,
                                      std::int64_t draws, std::uint64_t seed) {
  check_confidence(confidence);
  check_draws(draws);
  check_crossed(a);
  check_crossed(b);
  if (a.columns != b.columns) {
    throw ShapeError(fmt::format("A has {} images and B has {}", a.columns, b.columns));
  }
  RandomStream random(seed, "two-way-bootstrap");
  std::vector<double> rows_a(a.rows);
  std::vector<double> rows_b(b.rows);
  std::vector<double> columns(a.columns);
  std::vector<double> drawn(static_cast<std::size_t>(draws));
  for (double& result : drawn) {
    draw_counts(random, rows_a);
    draw_counts(random, rows_b);
    draw_counts(random, columns);
    result = weighted_mean(a, rows_a, columns) - weighted_mean(b, rows_b, columns);
  }
  return percentile_interval(mean(a.values) - mean(b.values), std::move(drawn), confidence);
}

double uniform_test(std::span<const double> values) {
  if (values.empty()) throw ShapeError("a test of no values");
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const double n = size_of(values);
  double distance = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const double below = static_cast<double>(i) / n;
    const double above = static_cast<double>(i + 1) / n;
    distance = std::max({distance, sorted[i] - below, above - sorted[i]});
  }
  const double x = (std::sqrt(n) + 0.12 + 0.11 / std::sqrt(n)) * distance;
  if (x < 0.2) return 1;  // the series below converges slowly where its sum is 1 to 12 digits
  double sum = 0;
  for (int k = 1; k <= 100; ++k) {
    const double term = std::exp(-2.0 * k * k * x * x);
    sum += k % 2 == 1 ? term : -term;
    if (term < 1e-17) break;
  }
  return std::clamp(2 * sum, 0.0, 1.0);
}

double binomial_tail(std::int64_t successes, std::int64_t trials, double probability) {
  if (trials < 0 || !(probability >= 0 && probability <= 1)) {
    throw ShapeError(fmt::format("no binomial distribution has {} trials of probability {}", trials,
                                 probability));
  }
  if (successes <= 0) return 1;
  if (successes > trials) return 0;
  const boost::math::binomial distribution(static_cast<double>(trials), probability);
  return boost::math::cdf(
      boost::math::complement(distribution, static_cast<double>(successes - 1)));
}

std::vector<double> ranks(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](auto i, auto j) { return values[i] < values[j]; });
  std::vector<double> out(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double shared = (static_cast<double>(begin) + static_cast<double>(end) + 1) / 2;
    for (std::size_t i = begin; i < end; ++i) out[order[i]] = shared;
    begin = end;
  }
  return out;
}

double pearson(std::span<const double> a, std::span<const double> b) {
  if (a.size() != b.size() || a.size() < 2) {
    throw ShapeError(
        fmt::format("a correlation needs two lists of one length of at least 2, got {} and {}",
                    a.size(), b.size()));
  }
  const double ma = mean(a);
  const double mb = mean(b);
  double aa = 0;
  double bb = 0;
  double ab = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    aa += (a[i] - ma) * (a[i] - ma);
    bb += (b[i] - mb) * (b[i] - mb);
    ab += (a[i] - ma) * (b[i] - mb);
  }
  if (aa == 0 || bb == 0) return kNaN;
  return std::clamp(ab / std::sqrt(aa) / std::sqrt(bb), -1.0, 1.0);
}

double spearman(std::span<const double> a, std::span<const double> b) {
  const std::vector<double> ra = ranks(a);
  const std::vector<double> rb = ranks(b);
  return pearson(ra, rb);
}

double quantile(std::vector<double> values, double share) {
  if (values.empty()) throw ShapeError("a quantile of no values");
  if (!(share >= 0 && share <= 1))
    throw ShapeError(fmt::format("a quantile's share must be in [0, 1], got {}", share));
  std::sort(values.begin(), values.end());
  const double place = share * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(place);
  const std::size_t high = std::min(low + 1, values.size() - 1);
  return values[low] + (place - static_cast<double>(low)) * (values[high] - values[low]);
}

}  // namespace modeldiff
