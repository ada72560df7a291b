#include "values.h"

#include <ATen/ATen.h>

#include <cmath>
#include <functional>
#include <numeric>
#include <vector>

#include "analysis/scorecard.h"

namespace modeldiff::data_value {
namespace {

using Statistic = std::function<double(std::span<const double>, std::span<const double>)>;

/// Percentile bootstrap of a statistic of pairs. A draw that has no value, as all its pairs are
/// alike, counts as the estimate.
Interval of_pairs(std::span<const double> a, std::span<const double> b, const Statistic& statistic,
                  const Bootstrap& bootstrap) {
  std::vector<double> places(a.size());
  std::iota(places.begin(), places.end(), 0.0);
  std::vector<double> x(a.size()), y(a.size());
  const double estimate = statistic(a, b);
  return modeldiff::bootstrap(
      places,
      [&](std::span<const double> drawn) {
        for (std::size_t i = 0; i < drawn.size(); ++i) {
          x[i] = a[static_cast<std::size_t>(drawn[i])];
          y[i] = b[static_cast<std::size_t>(drawn[i])];
        }
        const double value = statistic(x, y);
        return std::isnan(value) ? estimate : value;
      },
      bootstrap.confidence, bootstrap.draws, bootstrap.seed);
}

}  // namespace

Value value_of(const at::Tensor& with, const at::Tensor& without) {
  const at::Tensor change = without - with;
  return {change.mean().item<double>(),
          change.std().item<double>() / std::sqrt(static_cast<double>(change.numel()))};
}

Agreement agreement(std::span<const double> values, std::span<const double> exact,
                    const Bootstrap& bootstrap) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    error += (values[i] - exact[i]) * (values[i] - exact[i]);
    size += exact[i] * exact[i];
  }
  return {of_pairs(values, exact, spearman, bootstrap), of_pairs(values, exact, pearson, bootstrap),
          std::sqrt(error / size)};
}

Interval wrong_label_auroc(std::span<const double> values, std::span<const double> wrong,
                           const Bootstrap& bootstrap) {
  const auto statistic = [](std::span<const double> v, std::span<const double> w) {
    return auroc(-at::tensor(c10::ArrayRef<double>(v.data(), v.size()), at::kDouble),
                 at::tensor(c10::ArrayRef<double>(w.data(), w.size()), at::kDouble).gt(0.5));
  };
  return of_pairs(values, wrong, statistic, bootstrap);
}

}  // namespace modeldiff::data_value
