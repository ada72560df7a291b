#include "analysis/scorecard.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "analysis/numbers.h"
#include "analysis/statistics.h"
#include "modeldiff/core/error.h"
#include "modeldiff/tensors.h"

namespace modeldiff {
namespace {

constexpr std::int64_t kTopQueries = 20;

void check_list(const at::Tensor& weights, const at::Tensor& marks) {
  if (weights.dim() != 1 || marks.sizes() != weights.sizes() || marks.scalar_type() != at::kBool) {
    throw ShapeError(fmt::format("weights {} and marks {} are not lists over the same rows",
                                 shape_text(weights), shape_text(marks)));
  }
}

}  // namespace

double precision_at(const at::Tensor& weights, const at::Tensor& planted, std::int64_t k) {
  check_list(weights, planted);
  const std::int64_t count = planted.sum().item<std::int64_t>();
  const std::int64_t top = std::min(k, count);
  if (top < 1) return kNaN;
  const at::Tensor threshold = std::get<0>(weights.sort(0, /*descending=*/true))[top - 1];
  const at::Tensor above = weights.gt(threshold);
  const at::Tensor tied = weights.eq(threshold);
  const double seats = static_cast<double>(top - above.sum().item<std::int64_t>());
  const double tied_hits =
      tied.logical_and(planted).sum().item<double>() / tied.sum().item<double>() * seats;
  return (above.logical_and(planted).sum().item<double>() + tied_hits) / static_cast<double>(top);
}

double auroc(const at::Tensor& weights, const at::Tensor& planted) {
  check_list(weights, planted);
  const at::Tensor marks = planted.contiguous();
  const std::vector<double> rank = ranks(numbers(weights));
  double sum = 0;
  double positives = 0;
  for (std::size_t i = 0; i < rank.size(); ++i) {
    if (!marks.const_data_ptr<bool>()[i]) continue;
    sum += rank[i];
    positives += 1;
  }
  const double negatives = static_cast<double>(rank.size()) - positives;
  if (positives == 0 || negatives == 0) return kNaN;
  return (sum - positives * (positives + 1) / 2) / (positives * negatives);
}

double auroc_within(const at::Tensor& weights, const at::Tensor& planted, const at::Tensor& labels,
                    std::int64_t label) {
  check_list(weights, planted);
  if (labels.sizes() != weights.sizes()) {
    throw ShapeError(fmt::format("weights {} and labels {} are not over the same rows",
                                 shape_text(weights), shape_text(labels)));
  }
  const at::Tensor inside = labels.eq(label);
  return auroc(weights.masked_select(inside), planted.masked_select(inside));
}

double intersection_over_union(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes() || a.scalar_type() != at::kBool || b.scalar_type() != at::kBool) {
    throw ShapeError(
        fmt::format("{} and {} are not two bool masks of one shape", shape_text(a), shape_text(b)));
  }
  const double either = a.logical_or(b).sum().item<double>();
  return either == 0 ? kNaN : a.logical_and(b).sum().item<double>() / either;
}

DirectionScore score_direction(const at::Tensor& examples, const at::Tensor& queries,
                               const at::Tensor& planted, const at::Tensor& labels,
                               std::int64_t planted_class, const at::Tensor& marked) {
  DirectionScore out;
  out.precision = precision_at(examples, planted, planted.sum().item<std::int64_t>());
  out.auroc = auroc(examples, planted);
  out.auroc_within_class = auroc_within(examples, planted, labels, planted_class);
  out.query_precision = precision_at(queries, marked, kTopQueries);
  return out;
}

}  // namespace modeldiff
