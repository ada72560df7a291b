#include "plugins/attributors/trak/kronecker_projection.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <doctest/doctest.h>

#include <cmath>
#include <memory>

#include "tests/plugins/attributors/small_models.h"

using namespace modeldiff;
using namespace modeldiff::testing;
using trak::FactoredProjection;
using trak::KroneckerProjection;
using trak::LayerProjection;
using trak::StructuredProjection;

namespace {

std::unique_ptr<KroneckerProjection> make(ProjectionKind kind, std::int64_t rows,
                                          std::int64_t columns, std::int64_t k,
                                          std::uint64_t seed = 3) {
  const LayerProjection projection(kind, seed, "layer");
  if (kind == ProjectionKind::structured)
    return std::make_unique<StructuredProjection>(projection, rows, columns, k);
  return std::make_unique<FactoredProjection>(projection, rows, columns, k);
}

at::Tensor of_matrices(const KroneckerProjection& projection, const at::Tensor& gradients,
                       std::int64_t k) {
  at::Tensor phi = at::zeros({gradients.size(0), k});
  projection.add_matrices(gradients.contiguous(), phi);
  return phi;
}

/// P [rows * columns, k]: the projections of unit matrices.
at::Tensor whole(const KroneckerProjection& projection, std::int64_t rows, std::int64_t columns,
                 std::int64_t k) {
  return of_matrices(projection, at::eye(rows * columns).view({-1, rows, columns}), k);
}

constexpr ProjectionKind kKinds[] = {ProjectionKind::structured, ProjectionKind::factored};

}  // namespace

TEST_CASE("entries of P are -1 and 1, and the projection is linear") {
  for (const ProjectionKind kind : kKinds) {
    const auto projection = make(kind, 5, 7, 24);
    const at::Tensor p = whole(*projection, 5, 7, 24);
    CHECK(p.abs().eq(1).all().item<bool>());
    const at::Tensor g = normal(1, {9, 5, 7});
    CHECK(relative_distance(of_matrices(*projection, g, 24), at::matmul(g.flatten(1), p)) < 1e-6);
  }
}

TEST_CASE("an outer product is projected as the matrix that it is") {
  for (const ProjectionKind kind : kKinds) {
    const auto projection = make(kind, 10, 33, 60);
    const at::Tensor delta = normal(1, {8, 10}), a = normal(2, {8, 33}).relu();
    at::Tensor phi = at::zeros({8, 60});
    projection->add_outer_products(delta, a, phi);
    const at::Tensor products = at::bmm(delta.unsqueeze(2), a.unsqueeze(1));
    CHECK(relative_distance(phi, of_matrices(*projection, products, 60)) < 1e-6);
  }
}

TEST_CASE("a structured P has the columns of randomised Hadamard transforms") {
  // With sizes that are powers of two each column of P is a column of an orthogonal matrix with
  // entries -1 and 1: two of them are the same or orthogonal.
  const at::Tensor p = whole(*make(ProjectionKind::structured, 8, 16, 200), 8, 16, 200);
  const at::Tensor gram = at::matmul(p.t(), p);
  CHECK(gram.eq(0).logical_or(gram.eq(128)).all().item<bool>());
  CHECK(gram.eq(128).sum().item<std::int64_t>() < 200 + 2 * 400);  // expected 200 + 200 * 199 / 128
}

TEST_CASE("a factored P is the product of a P for the rows and one for the columns") {
  // k = 24 = 4 x 6: P of (r, c) and (s, t) is A[r, s] B[c, t].
  const at::Tensor p =
      whole(*make(ProjectionKind::factored, 3, 5, 24), 3, 5, 24).view({3, 5, 4, 6});
  const at::Tensor rows = p.select(1, 0).select(2, 0);     // A[r, s] B[0, 0]
  const at::Tensor columns = p.select(0, 0).select(1, 0);  // A[0, 0] B[c, t]
  const at::Tensor corner = p[0][0][0][0];
  CHECK(p.equal(at::einsum("rs,ct->rcst", {rows, columns}) * corner));
}

TEST_CASE(
    "projected inner products are unbiased; a structured P is nearly as good as a dense one") {
  constexpr std::int64_t kRows = 16, kColumns = 32, kK = 256;
  constexpr int kSeeds = 400;
  const at::Tensor g = normal(1, {kRows, kColumns});
  const at::Tensor h = 0.3 * g + normal(2, {kRows, kColumns});
  const double truth = (g * h).sum().item<double>(), sizes = (g.norm() * h.norm()).item<double>();
  for (const ProjectionKind kind : kKinds) {
    double sum = 0, squares = 0;
    for (int seed = 0; seed < kSeeds; ++seed) {
      const at::Tensor phi =
          of_matrices(*make(kind, kRows, kColumns, kK, static_cast<std::uint64_t>(seed)),
                      at::stack({g, h}), kK);
      const double error = phi[0].dot(phi[1]).item<double>() / kK - truth;
      sum += error;
      squares += error * error;
    }
    const double deviation = std::sqrt(squares / kSeeds);
    CAPTURE(deviation / sizes);
    CHECK(std::abs(sum / kSeeds) < 4 * deviation / std::sqrt(kSeeds));
    // Random signs: sqrt((1 + cos^2) / k) = .065. The factored P is two projections to 16 numbers.
    if (kind == ProjectionKind::structured) CHECK(deviation / sizes < 0.075);
    if (kind == ProjectionKind::factored) CHECK(deviation / sizes < 0.30);
  }
}

TEST_CASE("the same bytes for any number of examples at once and of threads") {
  const int threads = at::get_num_threads();
  for (const ProjectionKind kind : kKinds) {
    const auto projection = make(kind, 12, 40, 96);
    const at::Tensor g = normal(4, {150, 12, 40});
    const at::Tensor together = of_matrices(*projection, g, 96);
    for (const int used : {1, 3}) {
      at::set_num_threads(used);
      CHECK(of_matrices(*projection, g, 96).equal(together));
      CHECK(of_matrices(*projection, g.narrow(0, 77, 5), 96).equal(together.narrow(0, 77, 5)));
    }
    at::set_num_threads(threads);
  }
}
