#include "analysis/lds.h"

#include <doctest/doctest.h>

#include <cmath>

#include "drawn.h"
#include "modeldiff/core/error.h"

using namespace modeldiff;
using namespace modeldiff::testing;

namespace {

at::Tensor drawn_masks(std::uint64_t seed, std::int64_t subsets, std::int64_t examples) {
  at::Tensor masks = at::zeros({subsets, examples}, at::kBool);
  for (std::int64_t m = 0; m < subsets; ++m) {
    RandomStream random(seed, "masks", m);
    for (const std::int64_t i : random.choose(examples, examples / 2)) masks[m][i] = true;
  }
  return masks;
}

at::Tensor summed(const at::Tensor& masks, const at::Tensor& scores) {
  return at::matmul(masks.to(at::kDouble), scores.t());
}

}  // namespace

TEST_CASE("scores that rank every subset as the measurements do have LDS 1, the opposite ones -1") {
  const at::Tensor scores = normal(1, {5, 20});
  const at::Tensor masks = drawn_masks(2, 30, 20);
  const at::Tensor measurements =
      summed(masks, scores).exp().unsqueeze(1);  // any increasing function
  const LdsResult same = linear_datamodeling_score(scores, masks, measurements);
  CHECK(largest_difference(same.per_query, at::ones({5}, at::kDouble)) < 1e-12);
  CHECK(same.over_queries.estimate == doctest::Approx(1));
  CHECK(same.over_queries_and_subsets.lower == doctest::Approx(1));
  const LdsResult opposite = linear_datamodeling_score(-scores, masks, measurements);
  CHECK(opposite.over_queries.estimate == doctest::Approx(-1));
  CHECK(std::isnan(same.reliability));  // one replicate says nothing about its noise
}

TEST_CASE("a case worked by hand, with a tie") {
  // Sums of scores (1, 2, 4) over the masks: 3, 5, 6, 4; measurements 1, 2, 2, 0 have ranks
  // 2, 3.5, 3.5, 1.
  const at::Tensor scores = at::tensor({1.0, 2.0, 4.0}, at::kDouble).unsqueeze(0);
  const at::Tensor masks =
      at::tensor({1, 1, 0, 1, 0, 1, 0, 1, 1, 0, 0, 1}, at::kInt).reshape({4, 3}).to(at::kBool);
  const at::Tensor measurements = at::tensor({1.0, 2.0, 2.0, 0.0}, at::kDouble).reshape({4, 1, 1});
  const LdsResult out = linear_datamodeling_score(scores, masks, measurements);
  // Ranks of the sums 1, 3, 4, 2. Covariance 4 - .25 = 3.75 about the means; norms sqrt(5) and
  // sqrt(4.5).
  const double covariance = (1 - 2.5) * (2 - 2.5) + (3 - 2.5) * (3.5 - 2.5) +
                            (4 - 2.5) * (3.5 - 2.5) + (2 - 2.5) * (1 - 2.5);
  CHECK(out.per_query[0].item<double>() ==
        doctest::Approx(covariance / std::sqrt(5 * 4.5)).epsilon(1e-12));
}

TEST_CASE("rows that do not vary are left out and counted") {
  at::Tensor scores = normal(1, {4, 20});
  scores[1].fill_(0.1);  // the same sum for every subset of a fixed size, up to rounding
  const at::Tensor masks = drawn_masks(2, 30, 20);
  at::Tensor measurements = summed(masks, normal(3, {4, 20})).unsqueeze(1);
  measurements.select(2, 3).fill_(2);
  const LdsResult out = linear_datamodeling_score(scores, masks, measurements);
  CHECK(out.constant_scores == 1);
  CHECK(out.constant_measurements == 1);
  CHECK(out.per_query.isnan().sum().item<int>() == 2);
  CHECK(std::isfinite(out.over_queries.estimate));
}

TEST_CASE(
    "the reliability of replicates is that of their mean, and perfect scores reach about the "
    "ceiling") {
  constexpr std::int64_t kReplicates = 4, kSubsets = 400;
  const at::Tensor scores = normal(1, {30, 40});
  const at::Tensor masks = drawn_masks(2, kSubsets, 40);
  const at::Tensor truth = summed(masks, scores);
  const double noise = 1.5 * truth.std(0).mean().item<double>();  // of one query over subsets
  const at::Tensor measurements =
      truth.unsqueeze(1) + noise * normal(3, {kSubsets, kReplicates, 30});
  const LdsResult out = linear_datamodeling_score(scores, masks, measurements);
  // Of signal variance 1 and noise variance 2.25: reliability 1 / (1 + 2.25/4) = .64 on the Pearson
  // scale.
  CHECK(std::abs(out.reliability - 0.62) < 0.04);
  CHECK(out.ceiling == doctest::Approx(std::sqrt(out.reliability)));
  CHECK(std::abs(out.of_ceiling - 1) < 0.05);
  CHECK(out.over_queries.lower < out.over_queries.estimate);
  CHECK(out.over_queries.upper > out.over_queries.estimate);
  const auto width = [](const Interval& interval) { return interval.upper - interval.lower; };
  CHECK(width(out.over_queries_and_subsets) > width(out.over_queries));
}

TEST_CASE("scores, masks and measurements of other sizes are refused with all shapes") {
  CHECK_THROWS_WITH_AS(
      linear_datamodeling_score(at::zeros({2, 5}), at::zeros({4, 6}, at::kBool),
                                at::zeros({4, 1, 2})),
      "scores [2, 5] float32 [queries, training examples], masks [4, 6] bool [subsets >= 3, "
      "training examples] and "
      "measurements [4, 1, 2] float32 [subsets, replicates, queries] do not fit together",
      ShapeError);
}
