#include "analysis/scorecard.h"

#include <doctest/doctest.h>

#include <cmath>

#include "drawn.h"

using namespace modeldiff;

namespace {

at::Tensor marks(std::initializer_list<int> rows, std::int64_t count) {
  at::Tensor out = at::zeros({count}, at::kBool);
  for (const int row : rows) out[row] = true;
  return out;
}

}  // namespace

TEST_CASE("precision counts planted examples at the positive end, ties shared") {
  const at::Tensor weights = at::tensor({0.9, 0.1, 0.8, -0.95, 0.7, 0.0});
  CHECK(precision_at(weights, marks({0, 2}, 6), 2) == 1);
  CHECK(precision_at(weights, marks({0, 3}, 6), 2) == 0.5);
  CHECK(precision_at(weights, marks({0, 2, 4}, 6), 1) == 1);
  CHECK(std::isnan(precision_at(weights, marks({}, 6), 2)));
  // Two seats for four equal weights, one of them planted: half a hit.
  CHECK(precision_at(at::tensor({1.0, 1.0, 1.0, 1.0}), marks({0, 1}, 4), 2) == 0.5);
}

TEST_CASE("the AUROC is the share of pairs in the right order") {
  const at::Tensor weights = at::tensor({4.0, 3.0, 2.0, 1.0});
  CHECK(auroc(weights, marks({0, 1}, 4)) == 1);
  CHECK(auroc(weights, marks({2, 3}, 4)) == 0);
  CHECK(auroc(weights, marks({0, 3}, 4)) == 0.5);
  CHECK(auroc(weights, marks({0, 2}, 4)) == 0.75);
  CHECK(auroc(at::tensor({1.0, 1.0, 1.0, 0.0}), marks({0, 3}, 4)) == 0.25);
  CHECK(std::isnan(auroc(weights, marks({}, 4))));
  const at::Tensor labels = at::tensor({3, 5, 3, 5}, at::kLong);
  CHECK(auroc_within(weights, marks({0, 3}, 4), labels, 3) == 1);
  CHECK(auroc_within(weights, marks({0, 3}, 4), labels, 5) == 0);
}

TEST_CASE("intersection over union of two squares of pixels") {
  at::Tensor a = at::zeros({8, 8}, at::kBool);
  at::Tensor b = at::zeros({8, 8}, at::kBool);
  CHECK(std::isnan(intersection_over_union(a, b)));
  a.narrow(0, 1, 4).narrow(1, 1, 4).fill_(true);
  CHECK(intersection_over_union(a, a) == 1);
  CHECK(intersection_over_union(a, b) == 0);
  b.narrow(0, 1, 4).narrow(1, 3, 4).fill_(true);
  CHECK(intersection_over_union(a, b) == doctest::Approx(8.0 / 24));
}

TEST_CASE("the card of a direction that is the planted group is full") {
  const at::Tensor planted = marks({1, 4}, 6);
  const DirectionScore card =
      score_direction(planted.to(at::kDouble), at::tensor({0.1, 2.0, 1.0}), planted,
                      at::tensor({3, 3, 3, 3, 3, 5}, at::kLong), 3, marks({1, 2}, 3));
  CHECK(card.precision == 1);
  CHECK(card.auroc == 1);
  CHECK(card.auroc_within_class == 1);
  CHECK(card.query_precision == 1);
}
