#include "plugins/attributors/trak/projection.h"

#include <doctest/doctest.h>

#include <cmath>

#include "plugins/attributors/trak/sparse_product.h"
#include "tests/plugins/attributors/small_models.h"

using namespace modeldiff;
using namespace modeldiff::testing;
using trak::LayerProjection;
using trak::Panel;

namespace {

/// P [rows, columns], made in panels of `at_once` rows.
at::Tensor matrix(const LayerProjection& projection, std::int64_t rows, std::int64_t columns,
                  std::int64_t at_once) {
  at::Tensor out = at::empty({rows, columns});
  for (std::int64_t first = 0; first < rows; first += at_once) {
    const std::int64_t count = std::min(at_once, rows - first);
    for (std::int64_t column = 0; column < columns; column += trak::kTileColumns) {
      Panel panel;
      panel.draw(projection, first, count, column / trak::kPanelColumns);
      panel.unpack(0, count, column % trak::kPanelColumns / trak::kTileColumns,
                   out.data_ptr<float>() + first * columns + column, columns);
    }
  }
  return out;
}

}  // namespace

TEST_CASE("entries of P are the same bytes in blocks of any size") {
  for (const ProjectionKind kind : {ProjectionKind::rademacher, ProjectionKind::normal}) {
    const LayerProjection projection(kind, 7, "layer");
    const at::Tensor whole = matrix(projection, 100, 256, 100);
    for (const std::int64_t at_once : {1, 7, 64}) {
      CAPTURE(at_once);
      CHECK(matrix(projection, 100, 256, at_once).equal(whole));
    }
    // Fewer columns are the first columns of more.
    CHECK(matrix(projection, 100, 128, 33).equal(whole.narrow(1, 0, 128)));
  }
}

TEST_CASE("P differs between runs and layers") {
  const auto of = [](std::uint64_t seed, const char* layer) {
    return matrix(LayerProjection(ProjectionKind::rademacher, seed, layer), 64, 128, 64);
  };
  const at::Tensor reference = of(7, "layer");
  CHECK(of(7, "layer").equal(reference));
  // Of 8192 signs half differ, give or take 3.3 standard deviations.
  for (const at::Tensor& other : {of(8, "layer"), of(7, "other")}) {
    CHECK(std::abs(other.ne(reference).to(at::kDouble).mean().item<double>() - 0.5) < 0.018);
  }
}

TEST_CASE("signs are +1 and -1 and fair, normal numbers have the moments of a normal") {
  const at::Tensor signs =
      matrix(LayerProjection(ProjectionKind::rademacher, 1, "layer"), 1000, 256, 1000);
  CHECK(signs.abs().eq(1).all().item<bool>());
  CHECK(std::abs(signs.mean().item<double>()) < 0.01);  // standard deviation .002
  const at::Tensor numbers =
      matrix(LayerProjection(ProjectionKind::normal, 1, "layer"), 1000, 256, 1000).to(at::kDouble);
  CHECK(std::abs(numbers.mean().item<double>()) < 0.01);
  CHECK(std::abs(numbers.square().mean().item<double>() - 1) < 0.02);
  CHECK(std::abs(numbers.pow(4).mean().item<double>() - 3) < 0.1);
  // No two columns are alike.
  const at::Tensor correlation =
      at::matmul(numbers.t(), numbers) / 1000 - at::eye(256, at::kDouble);
  CHECK(correlation.abs().max().item<double>() < 0.25);
}

TEST_CASE("projected inner products are unbiased with the variance of random signs") {
  constexpr std::int64_t kParameters = 500, kColumns = 256;
  constexpr int kSeeds = 300;
  const at::Tensor g = normal(1, {kParameters}).to(at::kDouble);
  const at::Tensor h = (0.3 * g + normal(2, {kParameters})).to(at::kDouble);
  const double exact = g.dot(h).item<double>();
  const double variance =
      (g.square().sum() * h.square().sum() + exact * exact - 2 * (g * h).square().sum())
          .item<double>() /
      kColumns;
  double sum = 0;
  double squares = 0;
  for (int seed = 0; seed < kSeeds; ++seed) {
    const at::Tensor p = matrix(LayerProjection(ProjectionKind::rademacher, seed, "layer"),
                                kParameters, kColumns, kParameters)
                             .to(at::kDouble);
    const double error = at::matmul(g, p).dot(at::matmul(h, p)).item<double>() / kColumns - exact;
    sum += error;
    squares += error * error;
  }
  CHECK(std::abs(sum / kSeeds) < 3.5 * std::sqrt(variance / kSeeds));
  CHECK(std::abs(std::sqrt(squares / kSeeds / variance) - 1) < 0.15);
}

TEST_CASE("products without zeros are products, row by row") {
  constexpr std::int64_t kRows = 37, kInputs = 50;
  const at::Tensor a = normal(1, {kRows, kInputs}).relu();
  const at::Tensor factors = normal(2, {kRows, 3}).relu();
  const trak::SparseRows inputs(a.const_data_ptr<float>(), kRows, kInputs, true);
  const trak::SparseColumns units(factors.const_data_ptr<float>(), kRows, 3);
  const at::Tensor tile = normal(3, {kInputs + 1, trak::kTileColumns});
  for (std::int64_t unit = 0; unit < 3; ++unit) {
    CAPTURE(unit);
    at::Tensor out = at::ones({kRows, trak::kTileColumns});
    trak::add_scaled_products(inputs, units.rows(unit), units.values(unit),
                              tile.const_data_ptr<float>(), out.data_ptr<float>());
    const at::Tensor with_bias = at::cat({a, at::ones({kRows, 1})}, 1);
    const at::Tensor expected = 1 + factors.narrow(1, unit, 1) * at::matmul(with_bias, tile);
    CHECK(largest_difference(out, expected) < 1e-4);
  }
}
