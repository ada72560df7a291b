// Products of bytes with changes of weights that are rounded to 16 bits: many changes in one pass
// of float32. With a regression both ways can be told in float64: the gradients differ by X'X v.
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "modeldiff/core/random.h"
#include "modeldiff/objective.h"

namespace modeldiff {
namespace {

// More rows and columns than one tile, strip or run holds; odd, so that the last of each has no
// pair.
constexpr std::int64_t kByteRows = 1301;
constexpr std::int64_t kByteColumns = 395;
/// What rounded changes are divided into, of their largest number.
constexpr double kRoundedSteps = 32766;

at::Tensor normal(at::IntArrayRef shape, std::uint64_t seed) {
  at::Tensor out = at::empty(shape, at::kFloat);
  RandomStream(seed).fill_normal(out.mutable_data_ptr<float>(), out.numel(), 1);
  return out.to(at::kDouble);
}

/// Bytes of which most are 0.
at::Tensor sparse_bytes(std::int64_t rows, std::int64_t columns) {
  return normal({rows, columns}, 1).sub(1).mul(200).clamp(0, 255).to(at::kByte);
}

/// The sums of a regression without bias, for each row of v [q, outputs * columns].
at::Tensor sums_of(const at::Tensor& bytes, const at::Tensor& v, std::int64_t outputs,
                   const LinearInputs& view = {}) {
  const auto objective = make_linear_objective(bytes, at::zeros({bytes.size(0), outputs}), outputs,
                                               /*bias=*/false, view, Precision::float32);
  std::vector<std::int32_t> rows(static_cast<std::size_t>(bytes.size(0)));
  std::iota(rows.begin(), rows.end(), 0);
  at::Tensor out = at::empty_like(v);
  objective->difference_sums(at::zeros({v.size(1)}, at::kDouble), v, rows, out);
  return out;
}

struct Products {
  at::Tensor exact, bound;  // [q, outputs, columns]
};

/// X'X v, and how far from it rounding v and X v may lead: each number is off by a step at most, and
/// float32 rounds what is added.
Products products_of(const at::Tensor& bytes, const at::Tensor& v, std::int64_t outputs) {
  const at::Tensor x = bytes.to(at::kDouble) / 255;
  const at::Tensor split = v.view({v.size(0), outputs, bytes.size(1)});
  const at::Tensor z = split.matmul(x.t());
  const at::Tensor step_of_v = split.abs().amax(2, true) / kRoundedSteps;
  const at::Tensor off = step_of_v * x.sum(1);
  const at::Tensor step_of_z = (z.abs() + off).amax(2, true) / kRoundedSteps;
  constexpr double kFloatSums = 64 * std::numeric_limits<float>::epsilon();
  return {z.matmul(x), (off + step_of_z).matmul(x) + kFloatSums * z.abs().matmul(x)};
}

void check_within_bound(const at::Tensor& bytes, const at::Tensor& v, std::int64_t outputs) {
  const auto [exact, bound] = products_of(bytes, v, outputs);
  const at::Tensor error = (sums_of(bytes, v, outputs).view_as(exact) - exact).abs();
  CHECK((error <= bound).all().item<bool>());
}

TEST_CASE("rounded products are within the bound that their steps give, for any count of outputs") {
  const at::Tensor bytes = sparse_bytes(kByteRows, kByteColumns);
  for (const std::int64_t outputs : {1, 3, 10, 16}) {
    CAPTURE(outputs);
    at::Tensor v = normal({11, outputs * kByteColumns}, 2);
    v[3] *= 1e-6;
    v[4] *= 1e6;
    check_within_bound(bytes, v, outputs);
  }
}

TEST_CASE("a change of zero gives zero, and one number its column") {
  const at::Tensor bytes = sparse_bytes(kByteRows, kByteColumns);
  at::Tensor v = at::zeros({3, 2 * kByteColumns}, at::kDouble);
  v[1][7] = 0.25;                   // of the first output
  v[2][2 * kByteColumns - 1] = -3;  // of the last, whose column has no pair
  const at::Tensor found = sums_of(bytes, v, 2);
  CHECK(found[0].eq(0).all().item<bool>());
  CHECK(found[1].narrow(0, kByteColumns, kByteColumns).eq(0).all().item<bool>());
  CHECK(found[2].narrow(0, 0, kByteColumns).eq(0).all().item<bool>());
  check_within_bound(bytes, v, 2);
}

TEST_CASE("the largest bytes and weights do not overflow") {
  const at::Tensor bytes = at::full({kByteRows, kByteColumns}, 255, at::kByte);
  const at::Tensor v = at::stack(
      {at::ones({kByteColumns}, at::kDouble), at::full({kByteColumns}, -1e-3, at::kDouble)});
  const auto exact = static_cast<double>(kByteRows * kByteColumns);
  const at::Tensor found = sums_of(bytes, v, 1);
  CHECK(((found[0] / exact - 1).abs() < 1e-5).all().item<bool>());
  CHECK(((found[1] / (-1e-3 * exact) - 1).abs() < 1e-5).all().item<bool>());
}

TEST_CASE("what rounding leaves of a pixel goes to the next: smooth inputs lose a digit less") {
  // Every row is constant, so that only the sum of the rounded change counts, which is off by half a
  // step and not by the root of the columns.
  const at::Tensor bytes =
      at::arange(kByteRows).remainder(256).to(at::kByte).unsqueeze(1).expand({-1, kByteColumns});
  const at::Tensor v = normal({8, kByteColumns}, 3);
  const at::Tensor found = sums_of(bytes, v, 1), exact = products_of(bytes, v, 1).exact.view_as(v);
  constexpr double kFloatAndWayBack = 3e-6;
  const at::Tensor half_step =
      0.5 / kRoundedSteps * v.abs().amax(1, true) / v.sum(1, true).abs() + kFloatAndWayBack;
  CHECK(((found / exact - 1).abs() < half_step).all().item<bool>());
}

TEST_CASE("a change that is not finite gives nothing finite and leaves the others alone") {
  const at::Tensor bytes = sparse_bytes(kByteRows, kByteColumns);
  const at::Tensor v = normal({3, kByteColumns}, 2);
  const at::Tensor expected = sums_of(bytes, v, 1);
  for (const double wrong :
       {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    at::Tensor changed = v.clone();
    changed[1][5] = wrong;
    const at::Tensor found = sums_of(bytes, changed, 1);
    CHECK(found[0].equal(expected[0]));
    CHECK_FALSE(found[1].isfinite().any().item<bool>());
    CHECK(found[2].equal(expected[2]));
  }
}

TEST_CASE("columns that are divided by far smaller numbers are not rounded with the others") {
  at::Tensor bytes = sparse_bytes(kByteRows, kByteColumns);
  bytes.select(1, 3).zero_();  // its weight is far the largest and meets nothing
  LinearInputs view{std::vector<double>(kByteColumns, 0.0), std::vector<double>(kByteColumns, 1.0)};
  view.deviation[3] = 1e-6;
  const at::Tensor v = normal({2, kByteColumns}, 2);
  const at::Tensor exact = products_of(bytes, v, 1).exact.view_as(v);
  const at::Tensor error = (sums_of(bytes, v, 1, view) - exact).abs();
  CHECK((error < 1e-5 * exact.abs().amax(1, true)).all().item<bool>());
}

}  // namespace
}  // namespace modeldiff
