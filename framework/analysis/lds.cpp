#include "analysis/lds.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "analysis/numbers.h"
#include "analysis/statistics.h"
#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"
#include "modeldiff/tensors.h"

namespace modeldiff {
namespace {

constexpr std::int64_t kSubsetDrawsDivisor = 10;

/// Values in ascending order, so that ranks of any drawing of them take one pass.
class SortedValues {
 public:
  explicit SortedValues(std::span<const double> values)
      : order_(values.size()), ends_group_(values.size()) {
    std::iota(order_.begin(), order_.end(), 0);
    std::sort(order_.begin(), order_.end(), [&](int i, int j) { return values[i] < values[j]; });
    for (std::size_t i = 0; i < order_.size(); ++i) {
      ends_group_[i] = i + 1 == order_.size() || values[order_[i]] != values[order_[i + 1]];
    }
  }

  /// Average rank of each value when value i is there counts[i] times.
  void ranks(const std::vector<double>& counts, std::vector<double>& out) const {
    double before = 0;
    double of_group = 0;
    std::size_t begin = 0;
    for (std::size_t i = 0; i < order_.size(); ++i) {
      of_group += counts[order_[i]];
      if (!ends_group_[i]) continue;
      for (std::size_t j = begin; j <= i; ++j) out[order_[j]] = before + (of_group + 1) / 2;
      before += of_group;
      of_group = 0;
      begin = i + 1;
    }
  }

 private:
  std::vector<int> order_;
  std::vector<char> ends_group_;
};

double weighted_pearson(const std::vector<double>& x, const std::vector<double>& y,
                        const std::vector<double>& weights) {
  double total = 0;
  double mx = 0;
  double my = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    total += weights[i];
    mx += weights[i] * x[i];
    my += weights[i] * y[i];
  }
  mx /= total;
  my /= total;
  double xx = 0;
  double yy = 0;
  double xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += weights[i] * (x[i] - mx) * (x[i] - mx);
    yy += weights[i] * (y[i] - my) * (y[i] - my);
    xy += weights[i] * (x[i] - mx) * (y[i] - my);
  }
  return xx > 0 && yy > 0 ? std::clamp(xy / std::sqrt(xx * yy), -1.0, 1.0) : kNaN;
}

bool constant(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [&](double v) { return v == values.front(); });
}

double mean_of_finite(std::span<const double> values) {
  double sum = 0;
  double count = 0;
  for (const double v : values) {
    if (std::isnan(v)) continue;
    sum += v;
    count += 1;
  }
  return count > 0 ? sum / count : kNaN;
}

/// Predicted and measured effect of every subset on one query, ready to be drawn from.
struct QueryRanks {
  SortedValues predicted, measured;
};

Interval bootstrap_queries_and_subsets(const std::vector<QueryRanks>& queries, std::size_t subsets,
                                       double estimate, const LdsOptions& options) {
  RandomStream random(options.seed, "lds-subsets");
  std::vector<double> counts(subsets);
  std::vector<double> x(subsets);
  std::vector<double> y(subsets);
  std::vector<double> drawn;
  for (std::int64_t draw = 0; draw < std::max<std::int64_t>(options.draws / kSubsetDrawsDivisor, 1);
       ++draw) {
    std::fill(counts.begin(), counts.end(), 0.0);
    for (std::size_t i = 0; i < subsets; ++i) counts[random.below(subsets)] += 1;
    std::vector<double> of_draw;
    for (std::size_t i = 0; i < queries.size(); ++i) {
      const QueryRanks& query = queries[random.below(queries.size())];
      query.predicted.ranks(counts, x);
      query.measured.ranks(counts, y);
      of_draw.push_back(weighted_pearson(x, y, counts));
    }
    const double value = mean_of_finite(of_draw);
    if (!std::isnan(value)) drawn.push_back(value);
  }
  if (drawn.empty()) return {estimate, kNaN, kNaN};
  return {estimate, quantile(drawn, (1 - options.confidence) / 2),
          quantile(drawn, (1 + options.confidence) / 2)};
}

/// Spearman correlation over subsets between means of two halves of the replicates, averaged over
/// queries and splits, then stepped up to all replicates.
double split_half_reliability(const at::Tensor& measurements, const LdsOptions& options) {
  const std::int64_t replicates = measurements.size(1);
  const std::int64_t half = replicates / 2;
  if (half < 1) return kNaN;
  const std::int64_t splits = replicates == 2 ? 1 : options.splits;
  std::vector<double> correlations;
  for (std::int64_t split = 0; split < splits; ++split) {
    RandomStream random(options.seed, "lds-halves", static_cast<std::uint64_t>(split));
    const std::vector<std::int64_t> order = random.permutation(replicates);
    const auto mean_of = [&](std::int64_t begin) {
      const at::Tensor chosen =
          at::tensor(at::ArrayRef<std::int64_t>(order.data() + begin, half), at::kLong);
      return measurements.index_select(1, chosen).mean(1);
    };
    const at::Tensor first = mean_of(0);
    const at::Tensor second = mean_of(half);
    for (std::int64_t q = 0; q < measurements.size(2); ++q) {
      correlations.push_back(spearman(numbers(first.select(1, q)), numbers(second.select(1, q))));
    }
  }
  const double r = mean_of_finite(correlations);
  const double longer = static_cast<double>(replicates) / static_cast<double>(half);
  return longer * r / (1 + (longer - 1) * r);
}

void check(const at::Tensor& scores, const at::Tensor& masks, const at::Tensor& measurements) {
  const bool fit = scores.dim() == 2 && masks.dim() == 2 && measurements.dim() == 3 &&
                   masks.size(1) == scores.size(1) && measurements.size(0) == masks.size(0) &&
                   measurements.size(2) == scores.size(0) && measurements.size(1) >= 1 &&
                   masks.size(0) >= 3 && scores.size(0) >= 1;
  if (!fit) {
    throw ShapeError(fmt::format(
        "scores {} [queries, training examples], masks {} [subsets >= 3, training examples] and "
        "measurements {} [subsets, replicates, queries] do not fit together",
        shape_text(scores), shape_text(masks), shape_text(measurements)));
  }
}

}  // namespace

LdsResult linear_datamodeling_score(const at::Tensor& scores, const at::Tensor& masks,
                                    const at::Tensor& measurements, const LdsOptions& options) {
  check(scores, masks, measurements);
  const at::Tensor outcomes = measurements.to(at::kDouble);
  const at::Tensor measured = outcomes.mean(1);  // [M, N]
  const at::Tensor predicted =
      at::matmul(masks.to(at::kDouble), scores.to(at::kDouble).t());  // [M, N]
  const std::int64_t queries = scores.size(0);
  const auto subsets = static_cast<std::size_t>(masks.size(0));

  LdsResult out;
  out.per_query = at::full({queries}, kNaN, at::kDouble);
  std::vector<double> correlations;
  std::vector<QueryRanks> ranked;
  for (std::int64_t q = 0; q < queries; ++q) {
    // A constant row of scores sums to a constant up to rounding: ask the scores themselves.
    const bool flat_scores =
        scores[q].eq(scores[q][0]).all().item<bool>() && constant(numbers(masks.sum(1)));
    const std::vector<double> x = numbers(predicted.select(1, q));
    const std::vector<double> y = numbers(measured.select(1, q));
    const bool constant_x = flat_scores || constant(x);
    out.constant_scores += constant_x;
    out.constant_measurements += constant(y);
    if (constant_x || constant(y)) continue;
    ranked.push_back({SortedValues(x), SortedValues(y)});
    correlations.push_back(spearman(x, y));
    out.per_query[q] = correlations.back();
  }
  out.reliability = split_half_reliability(outcomes, options);
  out.ceiling = std::sqrt(std::max(out.reliability, 0.0));
  if (std::isnan(out.reliability)) out.ceiling = kNaN;
  if (correlations.empty()) {
    out.over_queries = out.over_queries_and_subsets = {kNaN, kNaN, kNaN};
    out.of_ceiling = kNaN;
    return out;
  }
  out.over_queries = bootstrap_mean(correlations, options.confidence, options.draws, options.seed);
  out.over_queries_and_subsets =
      bootstrap_queries_and_subsets(ranked, subsets, out.over_queries.estimate, options);
  out.of_ceiling = out.ceiling > 0 ? out.over_queries.estimate / out.ceiling : kNaN;
  return out;
}

}  // namespace modeldiff
