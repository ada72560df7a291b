#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>

#include "modeldiff/core/random.h"
#include "plugins/evaluations/rivals/rankings.h"

namespace modeldiff::rivals {
namespace {

at::Tensor drawn(std::int64_t rows, std::int64_t columns, std::uint64_t seed) {
  at::Tensor out = at::empty({rows, columns});
  RandomStream(seed).fill_normal(out.mutable_data_ptr<float>(), out.numel(), 1);
  return out;
}

double farthest(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

TEST_CASE("similarities of four points are the cosines from their middle") {
  // Around (1, 1): right, up, left, down.
  const at::Tensor points = at::tensor({3.f, 1.f, 1.f, 3.f, -1.f, 1.f, 1.f, -1.f}).view({4, 2});
  const at::Tensor expected = at::tensor({1.f, 0.f, 0.f, 1.f, -1.f, 0.f, 0.f, -1.f}).view({4, 2});
  CHECK(farthest(similarity(points, at::tensor({0, 1}, at::kLong)), expected) < 1e-6);
}

TEST_CASE("similarities do not change when features are rotated, scaled and moved") {
  const at::Tensor features = drawn(20, 6, 1), references = at::arange(0, 20, 3);
  const at::Tensor rotation = std::get<0>(at::linalg_qr(drawn(6, 6, 2)));
  const at::Tensor before = similarity(features, references);
  CHECK(farthest(similarity(3 * at::matmul(features, rotation) + 2, references), before) < 1e-5);
  CHECK(farthest(similarity(features.square(), references), before) > 0.1);
}

TEST_CASE("the plain difference of rows that differ along one direction is that direction") {
  // a_q = b_q + s_q v with s of both signs.
  at::Tensor v = at::tensor({3.0, 0.0, -1.0, 0.0, 2.0}, at::kDouble);
  v = v / v.norm();
  const at::Tensor strengths = at::tensor({0.5, -0.2, 0.1, -0.7}, at::kDouble).unsqueeze(1);
  const at::Tensor b = drawn(4, 5, 3).to(at::kDouble);
  const UnitRows rows{b + strengths * v, b, at::arange(4), 0};
  CHECK(farthest(direction_of_difference(rows), v) < 1e-12);
}

TEST_CASE("rows that do not differ have no direction") {
  const at::Tensor b = drawn(4, 5, 3);
  CHECK(direction_of_difference({b, b, at::arange(4), 0}).eq(0).all().item<bool>());
}

}  // namespace
}  // namespace modeldiff::rivals
