#include "bounds.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "modeldiff/core/error.h"

namespace modeldiff::approximate_deletion {
namespace {

/// The p at which an increasing function of it reaches `level`.
template <typename Function>
double solve(const Function& increasing, double level) {
  double low = 0, high = 1;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (increasing(middle) < level ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace

EmpiricalBound empirical_bound(std::span<const double> distances, double margin) {
  const std::size_t half = distances.size() / 2;
  MODELDIFF_CHECK(half > 0, "two runs at least");
  EmpiricalBound out;
  out.d0 = margin * *std::max_element(distances.begin(), distances.begin() + half);
  for (const double distance : distances.subspan(half)) {
    ++out.checked;
    if (distance > out.d0) ++out.violations;
  }
  return out;
}

Interval share_interval(std::int64_t successes, std::int64_t trials, double confidence) {
  const double tail = (1 - confidence) / 2;
  const auto at_least = [&](std::int64_t count) {
    return [=](double p) { return binomial_tail(count, trials, p); };
  };
  Interval out{static_cast<double>(successes) / static_cast<double>(trials), 0, 1};
  if (successes > 0) out.lower = solve(at_least(successes), tail);
  if (successes < trials) out.upper = solve(at_least(successes + 1), 1 - tail);
  return out;
}

double distance_to_optimum(const Objective& objective, const at::Tensor& w, RowSpan rows,
                           double weight_decay) {
  MODELDIFF_CHECK(objective.convex() && weight_decay > 0, "strong convexity");
  at::Tensor gradient = at::empty_like(w);
  objective.gradient_sum(w, rows, gradient);
  gradient.div_(static_cast<double>(rows.size())).add_(w, weight_decay);
  return gradient.norm().item<double>() / weight_decay;
}

}  // namespace modeldiff::approximate_deletion
