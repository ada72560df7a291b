#include "analysis/residuals.h"

#include <doctest/doctest.h>

#include "drawn.h"
#include "modeldiff/core/error.h"

using namespace modeldiff;
using namespace modeldiff::testing;

namespace {

struct Tolerance {
  at::ScalarType type;
  double limit;  // a few hundred roundings of the type
};
constexpr Tolerance kTolerances[] = {{at::kDouble, 1e-12}, {at::kFloat, 1e-5}};

}  // namespace

TEST_CASE(
    "the residual of A against B is orthogonal to B, row by row, and its square is 1 - cos^2") {
  for (const auto& [type, limit] : kTolerances) {
    for (std::uint64_t seed : {1, 2, 3}) {
      CAPTURE(seed);
      const UnitRows rows =
          unit_rows(normal(seed, {20, 60}).to(type), normal(seed + 10, {20, 60}).to(type));
      const at::Tensor r = residual(rows);
      CHECK((r.scalar_type() == type));
      CHECK((r * rows.b).sum(1).abs().max().item<double>() < limit);
      CHECK(largest_difference(r.square().sum(1), 1 - row_cosines(rows).square()) < limit);
      CHECK((residual_of_b(rows) * rows.a).sum(1).abs().max().item<double>() < limit);
    }
  }
}

TEST_CASE("equal and proportional scores leave no residual; orthogonal ones leave all") {
  const at::Tensor a = normal(4, {15, 40});
  for (const double factor : {1.0, 3.5, -2.0}) {
    CAPTURE(factor);
    CHECK(residual(unit_rows(a, factor * a)).abs().max().item<double>() < 1e-12);
  }
  const at::Tensor frame = orthonormal_rows(5, 30, 40);
  const UnitRows rows = unit_rows(frame.narrow(0, 0, 15), frame.narrow(0, 15, 15));
  CHECK(largest_difference(residual(rows), rows.a) < 1e-12);
}

TEST_CASE(
    "scale and sign of B do not matter, and adding B to A before scaling changes only the length") {
  const at::Tensor a = normal(6, {12, 50});
  const at::Tensor b = normal(7, {12, 50});
  const at::Tensor r = residual(unit_rows(a, b));
  CHECK(largest_difference(residual(unit_rows(a, -3 * b)), r) < 1e-12);
  // What is orthogonal to b in a + t b is what is orthogonal to b in a; only the row's length
  // enters otherwise.
  const at::Tensor shifted = residual(unit_rows(a + 0.7 * b, b));
  const auto lengths = [](const at::Tensor& x) { return x.norm(2, 1, /*keepdim=*/true); };
  CHECK(largest_difference(shifted * lengths(a + 0.7 * b), r * lengths(a)) < 1e-12);
}

TEST_CASE(
    "rows without a direction on either side are dropped and counted, and nothing becomes NaN") {
  at::Tensor a = normal(8, {10, 30});
  at::Tensor b = normal(9, {10, 30});
  a[2].zero_();
  b[5].zero_();
  b[7].mul_(1e-14);
  const UnitRows rows = unit_rows(a, b);
  CHECK(rows.dropped == 3);
  CHECK(rows.kept.equal(at::tensor({0, 1, 3, 4, 6, 8, 9}, at::kLong)));
  CHECK(at::isfinite(residual(rows)).all().item<bool>());
  CHECK(rows.a.size(0) == 7);
}

TEST_CASE(
    "scores that do not fit together are refused with both shapes, numbers that are not finite "
    "with the query") {
  CHECK_THROWS_WITH_AS(unit_rows(at::zeros({2, 3}), at::zeros({3, 2})),
                       "scores of A and B must be two matrices [queries, training examples] of one "
                       "shape, got [2, 3] "
                       "float32 and [3, 2] float32",
                       ShapeError);
  at::Tensor a = at::ones({3, 4});
  a[1][2] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH_AS(unit_rows(a, at::ones({3, 4})),
                       "scores of A are not finite, first for query 1", NumericalError);
  CHECK_THROWS_WITH_AS(unit_rows(at::zeros({3, 4}), at::ones({3, 4})),
                       "none of the 3 queries has scores other than 0 under both A and B",
                       NumericalError);
}
