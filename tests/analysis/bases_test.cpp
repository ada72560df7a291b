#include "analysis/bases.h"

#include <doctest/doctest.h>

#include <cmath>

#include "drawn.h"
#include "modeldiff/core/error.h"

using namespace modeldiff;
using namespace modeldiff::testing;

namespace {

/// A unit vector with equal weights on [begin, begin + count).
at::Tensor group(std::int64_t n, std::int64_t begin, std::int64_t count) {
  at::Tensor out = at::zeros({n}, at::kDouble);
  out.narrow(0, begin, count).fill_(1 / std::sqrt(static_cast<double>(count)));
  return out;
}

at::Tensor turned(const at::Tensor& x, const at::Tensor& y, double angle) {
  return at::stack(
      {std::cos(angle) * x + std::sin(angle) * y, std::cos(angle) * y - std::sin(angle) * x});
}

}  // namespace

TEST_CASE(
    "a planted sparse direction is found with its support, which a principal one spreads over "
    "all") {
  constexpr std::int64_t kQueries = 60, kExamples = 400, kPlanted = 12;
  const at::Tensor v = group(kExamples, 100, kPlanted);
  for (std::uint64_t seed : {1, 2, 3}) {
    CAPTURE(seed);
    const at::Tensor u = orthonormal_rows(seed, 1, kQueries)[0];
    const at::Tensor noise = normal(seed + 10, {kQueries, kExamples}) / std::sqrt(400.0);
    const at::Tensor rows = 2.5 * at::outer(u, v) + noise;
    const at::Tensor found = sparse_directions(rows, 1, kPlanted)[0];
    CHECK(found.ne(0).equal(v.ne(0)));
    CHECK(found.norm().item<double>() == doctest::Approx(1).epsilon(1e-12));
    const at::Tensor principal = std::get<2>(at::linalg_svd(rows, false))[0];
    CHECK(std::abs((found * v).sum().item<double>()) >
          std::abs((principal * v).sum().item<double>()) + 0.02);
  }
}

TEST_CASE("sparse directions without noise are the planted groups, equal weights together") {
  const at::Tensor first = group(50, 0, 8);
  const at::Tensor second = group(50, 20, 8);
  const at::Tensor u = orthonormal_rows(4, 2, 30);
  const at::Tensor rows = 3 * at::outer(u[0], first) + 2 * at::outer(u[1], second);
  const at::Tensor found = sparse_directions(rows, 2, 8);
  CHECK(largest_difference(found[0].abs(), first) < 1e-6);
  CHECK(largest_difference(found[1].abs(), second) < 1e-6);
}

TEST_CASE("with all training examples kept, sparse directions are the principal ones") {
  const at::Tensor strong =
      normal(1, {3, 40}) * at::tensor({9.0, 3.0, 1.0}).to(at::kDouble).unsqueeze(1);
  const at::Tensor rows = at::matmul(orthonormal_rows(2, 3, 20).t(), strong);
  const at::Tensor principal = std::get<2>(at::linalg_svd(rows, false)).narrow(0, 0, 3);
  const at::Tensor found = sparse_directions(rows, 3, 40);
  CHECK(largest_difference((found * principal).sum(1).abs(), at::ones({3}, at::kDouble)) < 1e-5);
}

TEST_CASE("varimax takes two mixed groups apart, exactly") {
  const at::Tensor x = group(60, 0, 10);
  const at::Tensor y = group(60, 30, 10);
  for (const double angle : {0.1, 0.5, std::atan(1.0), 1.2}) {
    CAPTURE(angle);
    const at::Tensor found = varimax(turned(x, y, angle)).abs();
    const at::Tensor overlap = at::matmul(found, at::stack({x, y}).t());
    CHECK(largest_difference(std::get<0>(overlap.max(1)), at::ones({2}, at::kDouble)) < 1e-12);
    CHECK(largest_difference(overlap.sum(0), at::ones({2}, at::kDouble)) < 1e-12);
  }
}

TEST_CASE("varimax keeps the subspace and orthonormality; its criterion rises with every sweep") {
  for (std::uint64_t seed : {1, 2, 3}) {
    CAPTURE(seed);
    const at::Tensor v = orthonormal_rows(seed, 5, 80);
    double before = varimax_criterion(v);
    for (int sweeps = 1; sweeps <= 20; ++sweeps) {
      const double after = varimax_criterion(varimax(v, sweeps));
      CHECK(after >= before - 1e-15);
      before = after;
    }
    const at::Tensor found = varimax(v);
    CHECK(varimax_criterion(found) > varimax_criterion(v));
    CHECK(largest_difference(at::matmul(found, found.t()), at::eye(5, at::kDouble)) < 1e-12);
    CHECK(largest_difference(at::matmul(found.t(), found), at::matmul(v.t(), v)) < 1e-12);
    // No plane can be turned for the better.
    for (const double angle : {-0.01, 0.01}) {
      at::Tensor other = found.clone();
      other.narrow(0, 0, 2).copy_(turned(found[0], found[1], angle));
      CHECK(varimax_criterion(other) < varimax_criterion(found));
    }
  }
}

TEST_CASE("the number of nonzeros of a direction must fit the training examples") {
  CHECK_THROWS_WITH_AS(sparse_directions(normal(1, {4, 6}), 1, 7),
                       "a direction over 6 training examples cannot have 7 nonzeros", ShapeError);
}
