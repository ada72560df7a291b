#include "plugins/algorithms/deltagrad/quasi_hessian.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "modeldiff/core/random.h"

namespace modeldiff::deltagrad {
namespace {

constexpr std::int64_t kSize = 30;
constexpr std::int64_t kPairs = 5;

at::Tensor drawn(at::IntArrayRef shape, std::uint64_t seed) {
  at::Tensor out = at::empty(shape, at::kDouble);
  RandomStream random(seed);
  double* values = out.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < out.numel(); ++i) values[i] = random.normal();
  return out;
}

/// A symmetric matrix with eigenvalues of at least 1/10.
at::Tensor drawn_hessian() {
  const at::Tensor a = drawn({kSize, kSize}, 1);
  return a.matmul(a.t()) / kSize + 0.1 * at::eye(kSize, at::kDouble);
}

struct Pair {
  at::Tensor s, y;
};

/// Pairs of lengths that differ by orders of magnitude, y = H s with a Hessian that drifts.
std::vector<Pair> drawn_pairs(double drift = 0) {
  std::vector<Pair> out;
  for (std::int64_t i = 0; i < kPairs; ++i) {
    const at::Tensor s = drawn({kSize}, 10 + i) * std::pow(10.0, -static_cast<double>(i));
    const at::Tensor hessian =
        drawn_hessian() + drift * static_cast<double>(i) * at::eye(kSize, at::kDouble);
    out.push_back({s, hessian.mv(s)});
  }
  return out;
}

QuasiHessian filled(QuasiHessianKind kind, const std::vector<Pair>& pairs) {
  QuasiHessian out(kind, kPairs, kSize);
  std::int64_t step = 0;
  for (const Pair& pair : pairs) REQUIRE(out.add(pair.s, pair.y, step++));
  return out;
}

double relative(const at::Tensor& found, const at::Tensor& expected) {
  return ((found - expected).norm() / expected.norm()).item<double>();
}

/// m updates of the dense matrix: B <- B - B s s'B / s'Bs + y y' / y's.
at::Tensor dense_bfgs(const std::vector<Pair>& pairs) {
  const Pair& newest = pairs.back();
  const double sigma = (newest.y.dot(newest.s) / newest.s.dot(newest.s)).item<double>();
  at::Tensor b = sigma * at::eye(kSize, at::kDouble);
  for (const Pair& pair : pairs) {
    const at::Tensor bs = b.mv(pair.s);
    b = b - at::outer(bs, bs) / pair.s.dot(bs) + at::outer(pair.y, pair.y) / pair.y.dot(pair.s);
  }
  return b;
}

TEST_CASE("the compact product is that of the dense recursion of BFGS") {
  for (const double drift : {0.0, 0.2}) {
    CAPTURE(drift);
    const std::vector<Pair> pairs = drawn_pairs(drift);
    const QuasiHessian hessian = filled(QuasiHessianKind::compact_bfgs, pairs);
    const at::Tensor dense = dense_bfgs(pairs);
    for (std::uint64_t seed = 40; seed < 44; ++seed) {
      const at::Tensor v = drawn({kSize}, seed);
      CHECK((hessian.times(v) - dense.mv(v)).abs().max().item<double>() < 1e-11);
    }
  }
}

TEST_CASE("of BFGS's secants the newest holds and the oldest does not") {
  const std::vector<Pair> pairs = drawn_pairs();
  const QuasiHessian hessian = filled(QuasiHessianKind::compact_bfgs, pairs);
  CHECK(relative(hessian.times(pairs.back().s), pairs.back().y) < 1e-12);
  CHECK(relative(hessian.times(pairs.front().s), pairs.front().y) > 1e-3);
}

TEST_CASE("all secants of the multisecant product hold") {
  const std::vector<Pair> pairs = drawn_pairs(0.2);
  const QuasiHessian hessian = filled(QuasiHessianKind::multisecant, pairs);
  for (const Pair& pair : pairs) CHECK(relative(hessian.times(pair.s), pair.y) < 1e-10);
}

TEST_CASE("beyond its pairs the multisecant product is sigma v") {
  const std::vector<Pair> pairs = drawn_pairs();
  const QuasiHessian hessian = filled(QuasiHessianKind::multisecant, pairs);
  at::Tensor span = at::empty({kSize, kPairs}, at::kDouble);
  for (std::int64_t i = 0; i < kPairs; ++i) span.select(1, i).copy_(pairs[i].s / pairs[i].s.norm());
  const at::Tensor basis = std::get<0>(at::linalg_qr(span));
  at::Tensor v = drawn({kSize}, 50);
  v = v - basis.matmul(basis.t().mv(v));
  const Pair& newest = pairs.back();
  const double sigma = (newest.y.dot(newest.s) / newest.s.dot(newest.s)).item<double>();
  CHECK(relative(hessian.times(v), sigma * v) < 1e-10);
}

TEST_CASE("the oldest pair goes when there are too many") {
  std::vector<Pair> pairs = drawn_pairs(0.2);
  QuasiHessian hessian = filled(QuasiHessianKind::multisecant, pairs);
  const at::Tensor s = drawn({kSize}, 60);
  REQUIRE(hessian.add(s, drawn_hessian().mv(s), 9));
  CHECK(hessian.size() == kPairs);
  CHECK(relative(hessian.times(pairs[1].s), pairs[1].y) < 1e-10);
  CHECK(relative(hessian.times(pairs[0].s), pairs[0].y) > 1e-3);
}

TEST_CASE("pairs made before a step are forgotten") {
  const std::vector<Pair> pairs = drawn_pairs(0.2);
  QuasiHessian hessian = filled(QuasiHessianKind::multisecant, pairs);
  hessian.forget_before(3);
  CHECK(hessian.size() == kPairs - 3);
  CHECK(relative(hessian.times(pairs[3].s), pairs[3].y) < 1e-10);
  CHECK(relative(hessian.times(pairs[2].s), pairs[2].y) > 1e-3);
  hessian.forget_before(100);
  CHECK(hessian.size() == 0);
}

TEST_CASE("pairs of negative curvature, of no length, or not finite are refused") {
  QuasiHessian hessian(QuasiHessianKind::compact_bfgs, kPairs, kSize);
  const at::Tensor s = drawn({kSize}, 1);
  CHECK_FALSE(hessian.add(s, -s, 0));
  CHECK_FALSE(hessian.add(at::zeros_like(s), s, 0));
  CHECK_FALSE(hessian.add(s, s * std::numeric_limits<double>::quiet_NaN(), 0));
  CHECK_FALSE(hessian.add(s, s * std::numeric_limits<double>::infinity(), 0));
  CHECK(hessian.size() == 0);
  CHECK(hessian.add(s, s, 0));
}

TEST_CASE("the same pair twice changes no product") {
  for (const auto kind : {QuasiHessianKind::multisecant, QuasiHessianKind::compact_bfgs}) {
    CAPTURE(static_cast<int>(kind));
    const at::Tensor s = drawn({kSize}, 1), y = drawn_hessian().mv(s), v = drawn({kSize}, 2);
    QuasiHessian once(kind, kPairs, kSize), twice(kind, kPairs, kSize);
    REQUIRE(once.add(s, y, 0));
    REQUIRE(twice.add(s, y, 0));
    REQUIRE(twice.add(s, y, 1));
    CHECK(relative(twice.times(v), once.times(v)) < 1e-8);
  }
}

}  // namespace
}  // namespace modeldiff::deltagrad
