#include "prediction_sets.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace modeldiff::conformal {
namespace {

/// Test rows whose [n, rows] table is held at once.
constexpr std::int64_t kRowsAtOnce = 256;
/// alpha (n + 1) may come out a rounding below the whole number that it is.
constexpr double kRounding = 1e-9;

/// The p in (0, 1) at which an increasing function of p reaches `level`.
template <typename Increasing>
double solve(Increasing function, double level) {
  double low = 0, high = 1;
  for (int halvings = 0; halvings < 60; ++halvings) {
    const double middle = (low + high) / 2;
    (function(middle) < level ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace

Intervals jackknife_plus(const at::Tensor& predictions, const Calibration& calibration,
                         double alpha) {
  const std::int64_t n = calibration.fold.numel(), tests = predictions.size(1);
  const auto k =
      static_cast<std::int64_t>(std::floor(alpha * static_cast<double>(n + 1) + kRounding));
  if (k == 0) {
    const at::Tensor infinite =
        at::full({tests}, std::numeric_limits<double>::infinity(), at::kDouble);
    return {-infinite, infinite};
  }
  const at::Tensor residuals = calibration.scores.unsqueeze(1);
  std::vector<at::Tensor> lower, upper;
  for (std::int64_t begin = 0; begin < tests; begin += kRowsAtOnce) {
    const at::Tensor without = predictions.slice(1, begin, std::min(begin + kRowsAtOnce, tests))
                                   .index_select(0, calibration.fold);
    lower.push_back(std::get<0>((without - residuals).kthvalue(k, 0)));
    // ceil((1 - alpha)(n + 1)) = n + 1 - floor(alpha (n + 1))
    upper.push_back(std::get<0>((without + residuals).kthvalue(n + 1 - k, 0)));
  }
  return {at::cat(lower), at::cat(upper)};
}

at::Tensor cross_p_values(const at::Tensor& scores, const Calibration& calibration) {
  at::Tensor not_below = at::ones({scores.size(1), scores.size(2)}, at::kDouble);
  for (std::int64_t fold = 0; fold < scores.size(0); ++fold) {
    const at::Tensor own =
        std::get<0>(calibration.scores.masked_select(calibration.fold.eq(fold)).sort());
    not_below += own.numel() - at::searchsorted(own, scores[fold].contiguous());
  }
  return not_below / static_cast<double>(calibration.fold.numel() + 1);
}

at::Tensor cross_sets(const at::Tensor& p_values, double alpha) {
  return p_values > alpha + kRounding * alpha;
}

double guaranteed_coverage(double alpha, std::int64_t rows, std::int64_t folds) {
  const auto n = static_cast<double>(rows), k = static_cast<double>(folds);
  const double of_folds = std::min(2 * (1 - 1 / k) / (n / k + 1), (1 - k / n) / (k + 1));
  return std::max(0.0, 1 - 2 * alpha - of_folds);
}

Interval proportion(std::int64_t successes, std::int64_t trials, double confidence) {
  const double tail = (1 - confidence) / 2;
  const auto at_least = [&](std::int64_t count) {
    return [=](double p) { return binomial_tail(count, trials, p); };
  };
  return {static_cast<double>(successes) / static_cast<double>(trials),
          successes == 0 ? 0 : solve(at_least(successes), tail),
          successes == trials ? 1 : solve(at_least(successes + 1), 1 - tail)};
}

}  // namespace modeldiff::conformal
