#include "analysis/directions.h"

#include <doctest/doctest.h>

#include <cmath>

#include "analysis/scorecard.h"
#include "drawn.h"
#include "modeldiff/core/error.h"

using namespace modeldiff;
using namespace modeldiff::testing;

namespace {

/// Rows whose residual is `r` exactly: a = r + the rest of its length along b, b orthogonal to
/// every r.
UnitRows rows_with_residual(const at::Tensor& r) {
  const std::int64_t queries = r.size(0);
  const at::Tensor padded = at::cat({r, at::zeros({queries, 1}, at::kDouble)}, 1);
  at::Tensor b = at::zeros_like(padded);
  b.select(1, r.size(1)).fill_(1);
  UnitRows rows;
  rows.b = b;
  rows.a = padded + (1 - r.square().sum(1, true)).sqrt() * b;
  rows.kept = at::arange(queries, at::kLong);
  return rows;
}

double squared_overlap(const at::Tensor& a, const at::Tensor& b) {
  return std::pow((a * b).sum().item<double>(), 2);
}

}  // namespace

TEST_CASE("the explained variances of all directions of a basis sum to 1 - |mean row|^2") {
  for (std::uint64_t seed : {1, 2, 3}) {
    CAPTURE(seed);
    const UnitRows rows = unit_rows(normal(seed, {30, 40}) + 0.5, normal(seed + 10, {30, 40}));
    const at::Tensor basis = orthonormal_rows(seed + 20, 40, 40);
    const double mean_row = rows.a.mean(0).square().sum().item<double>();
    CHECK(explained_variance(rows.a, basis).sum().item<double>() ==
          doctest::Approx(1 - mean_row).epsilon(1e-10));
  }
}

TEST_CASE(
    "a residual s u v' has the direction v and orders queries as u; a planted group comes out "
    "whole") {
  constexpr std::int64_t kQueries = 25, kExamples = 80, kPlanted = 8;
  at::Tensor planted = at::zeros({kExamples + 1}, at::kBool);
  for (std::int64_t i = 0; i < kPlanted; ++i) planted[i * 7] = true;
  const at::Tensor v = planted.to(at::kDouble) / std::sqrt(static_cast<double>(kPlanted));
  const at::Tensor u = normal(3, {kQueries});
  const at::Tensor r = 0.02 * at::outer(u, v.narrow(0, 0, kExamples));
  const DirectionSet found = find_directions(rows_with_residual(r), 1);
  CHECK(found.rank == 1);
  CHECK(largest_difference(found.examples[0], v) < 1e-10);
  CHECK(largest_difference(found.queries[0], 0.02 * u) < 1e-10);
  CHECK(found.queries[0].argsort().equal(u.argsort()));
  CHECK(found.shares[0].item<double>() == doctest::Approx(1).epsilon(1e-10));
  CHECK(precision_at(found.examples[0], planted, kPlanted) == 1);
}

TEST_CASE(
    "directions are those of the singular value decomposition, orthonormal, skewed to the positive "
    "end") {
  const UnitRows rows = unit_rows(normal(5, {40, 90}), normal(6, {40, 90}));
  const at::Tensor r = residual(rows);
  const auto [u, s, vh] = at::linalg_svd(r - r.mean(0, true), false);
  const DirectionSet found = find_directions(rows, 5);
  CHECK(largest_difference(found.singular_values, s.narrow(0, 0, 5)) < 1e-10);
  CHECK(largest_difference((found.examples * vh.narrow(0, 0, 5)).sum(1).abs(),
                           at::ones({5}, at::kDouble)) < 1e-10);
  CHECK(largest_difference(at::matmul(found.examples, found.examples.t()),
                           at::eye(5, at::kDouble)) < 1e-10);
  CHECK(found.examples.pow(3).sum(1).gt(0).all().item<bool>());
  CHECK(largest_difference(found.shares, s.square().narrow(0, 0, 5) / s.square().sum()) < 1e-10);
  CHECK(found.rank == 39);  // one is lost to the mean
}

TEST_CASE("too few queries, training examples or directions are errors with words") {
  const UnitRows one_query = unit_rows(normal(1, {1, 5}), normal(2, {1, 5}));
  CHECK_THROWS_WITH_AS(find_directions(one_query, 1),
                       "directions need at least 2 queries and 2 training examples, got 1 and 5",
                       ShapeError);
  const UnitRows one_example = unit_rows(normal(1, {5, 1}), normal(2, {5, 1}));
  CHECK_THROWS_WITH_AS(find_directions(one_example, 1),
                       "directions need at least 2 queries and 2 training examples, got 5 and 1",
                       ShapeError);
  const UnitRows three = unit_rows(normal(1, {3, 9}), normal(2, {3, 9}));
  CHECK_THROWS_WITH_AS(find_directions(three, 3),
                       "the residual of 3 queries has 2 directions, 3 were asked for",
                       NumericalError);
  const at::Tensor a = normal(1, {6, 9}).to(at::kFloat);
  CHECK_THROWS_WITH_AS(find_directions(unit_rows(a, 2 * a), 1),
                       "the residual of 6 queries has 0 directions, 1 were asked for; A and B use "
                       "the training examples "
                       "alike",
                       NumericalError);
}

TEST_CASE("the overlap with the direction of a spiked matrix is as random matrix theory says") {
  // Noise of variance 1/n and a signal s u v' of rank one. With beta = N/n the squared overlaps are
  // v: 1 - (beta + s^2) / (s^2 (s^2 + 1)), u: 1 - beta (1 + s^2) / (s^2 (s^2 + beta)).
  constexpr int kDraws = 6;
  constexpr double kTolerance = 0.03;  // about twice the spread of such means
  struct Case {
    std::int64_t queries, examples;
    double s, v, u;
  };
  for (const Case& c : {Case{500, 2000, 1.5, 0.658, 0.856}, Case{500, 2000, 1.0, 0.375, -1},
                        Case{1000, 2000, 1.2, 0.448, -1}}) {
    CAPTURE(c.s);
    double mean_v = 0;
    double mean_u = 0;
    for (int draw = 0; draw < kDraws; ++draw) {
      const at::Tensor u = orthonormal_rows(100 + draw, 1, c.queries)[0];
      const at::Tensor v = orthonormal_rows(200 + draw, 1, c.examples)[0];
      const at::Tensor noise =
          normal(300 + draw, {c.queries, c.examples}) / std::sqrt(static_cast<double>(c.examples));
      // Far below unit length, so that rows can be completed to unit rows with this residual.
      const at::Tensor r = 0.1 * (c.s * at::outer(u, v) + noise);
      const DirectionSet found = find_directions(rows_with_residual(r), 1);
      mean_v += squared_overlap(found.examples[0].narrow(0, 0, c.examples), v) / kDraws;
      mean_u += squared_overlap(found.queries[0] / found.queries[0].norm(), u) / kDraws;
    }
    CHECK(std::abs(mean_v - c.v) < kTolerance);
    if (c.u > 0) CHECK(std::abs(mean_u - c.u) < kTolerance);
  }
}

TEST_CASE(
    "directions in another basis are ordered by variance, with their skew and the principal ones") {
  const UnitRows rows = unit_rows(normal(5, {40, 90}), normal(6, {40, 90}));
  const DirectionSet principal = find_directions(rows, 3);
  const Basis reversed = [](const at::Tensor&, const at::Tensor& p) { return -p.flip(0); };
  const DirectionSet found = find_directions(rows, 3, reversed);
  CHECK(found.examples.equal(principal.examples));
  CHECK(found.principal.equal(principal.examples));
  CHECK(largest_difference(found.singular_values, principal.singular_values) < 1e-12);
  CHECK(direction_stability(rows, found, 3, 7, reversed)
            .equal(direction_stability(rows, principal, 3, 7)));
}

TEST_CASE("a strong direction comes back from drawn queries, a direction of noise does not") {
  const at::Tensor v = orthonormal_rows(1, 1, 200)[0];
  const at::Tensor noise = 0.05 * normal(3, {60, 200}) / std::sqrt(200.0);
  const UnitRows strong = rows_with_residual(0.1 * at::outer(normal(2, {60}), v) + noise);
  CHECK(direction_stability(strong, find_directions(strong, 1), 10, 7)[0].item<double>() > 0.95);
  const UnitRows exact = rows_with_residual(0.1 * at::outer(normal(2, {60}), v));
  CHECK(direction_stability(exact, find_directions(exact, 1), 10, 7)[0].item<double>() ==
        doctest::Approx(1).epsilon(1e-10));
  const DirectionSet two = find_directions(strong, 2);
  const at::Tensor stability = direction_stability(strong, two, 10, 7);
  CHECK(stability.equal(direction_stability(strong, two, 10, 7)));
  CHECK_FALSE(stability.equal(direction_stability(strong, two, 10, 8)));
  const UnitRows weak = rows_with_residual(noise);
  CHECK(direction_stability(weak, find_directions(weak, 1), 10, 7)[0].item<double>() < 0.8);
}
