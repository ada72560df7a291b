#include "modeldiff/objective.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <doctest/doctest.h>

#include <array>
#include <numeric>

#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"
#include "modeldiff/sparse_table.h"

namespace modeldiff {
namespace {

constexpr std::int64_t kRows = 700;
constexpr std::int64_t kColumns = 12;

at::Tensor drawn(at::IntArrayRef shape, std::uint64_t seed) {
  at::Tensor out = at::empty(shape, at::kFloat);
  RandomStream(seed).fill_normal(out.mutable_data_ptr<float>(), out.numel(), 1);
  return out;
}

/// Bytes of which most are 0.
at::Tensor drawn_bytes() { return drawn({kRows, kColumns}, 1).mul(60).clamp(0, 255).to(at::kByte); }

at::Tensor drawn_labels(std::int64_t classes) {
  at::Tensor out = at::empty({kRows}, at::kLong);
  RandomStream random(2);
  for (std::int64_t i = 0; i < kRows; ++i)
    out[i] = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(classes)));
  return out;
}

std::vector<std::int32_t> every(std::int32_t step) {
  std::vector<std::int32_t> out;
  for (std::int32_t row = 0; row < kRows; row += step) out.push_back(row);
  return out;
}

double relative(const at::Tensor& found, const at::Tensor& expected) {
  return ((found - expected).norm() / expected.norm()).item<double>();
}

struct Case {
  const char* name;
  at::Tensor inputs;
  std::int64_t outputs;
  bool bias;
  bool normalised;
  bool regression;
};

std::vector<Case> cases() {
  const at::Tensor floats = drawn({kRows, kColumns}, 3);
  return {{"bytes", drawn_bytes(), 10, true, false, false},
          {"normalised bytes", drawn_bytes(), 10, true, true, false},
          {"floats", floats, 3, false, false, false},
          {"normalised floats", floats, 16, true, true, false},
          {"two classes", floats, 2, true, false, false},
          {"regression", floats, 2, true, true, true}};
}

/// The same losses from their definition, in float64.
struct Reference {
  const Case& some;
  at::Tensor targets;
  LinearInputs view;

  explicit Reference(const Case& c) : some(c) {
    targets = c.regression ? drawn({kRows, c.outputs}, 4) : drawn_labels(c.outputs);
    if (!c.normalised) return;
    for (std::int64_t column = 0; column < kColumns; ++column) {
      view.mean.push_back(0.1 * static_cast<double>(column));
      view.deviation.push_back(0.5 + 0.1 * static_cast<double>(column));
    }
  }

  std::shared_ptr<const Objective> objective(Precision precision) const {
    return make_linear_objective(some.inputs, targets, some.outputs, some.bias, view, precision);
  }
  at::Tensor weights(std::uint64_t seed) const {
    return drawn({some.outputs * (kColumns + (some.bias ? 1 : 0))}, seed).to(at::kDouble) * 0.3;
  }

  at::Tensor losses(const at::Tensor& w, const std::vector<std::int32_t>& rows) const {
    const at::Tensor index = at::tensor(rows, at::kInt);
    at::Tensor x = some.inputs.index_select(0, index).to(at::kDouble);
    if (some.inputs.scalar_type() == at::kByte) x = x / 255;
    if (some.normalised) x = (x - at::tensor(view.mean)) / at::tensor(view.deviation);
    const std::int64_t split = some.outputs * kColumns;
    at::Tensor z = x.matmul(w.narrow(0, 0, split).view({some.outputs, kColumns}).t());
    if (some.bias) z = z + w.narrow(0, split, some.outputs);
    const at::Tensor y = targets.index_select(0, index);
    if (some.regression) return 0.5 * (z - y).square().sum(1);
    return at::cross_entropy_loss(z, y, {}, at::Reduction::None);
  }

  /// By central differences.
  at::Tensor gradient(const at::Tensor& w, const std::vector<std::int32_t>& rows) const {
    constexpr double kStep = 1e-5;
    at::Tensor out = at::empty_like(w);
    for (std::int64_t i = 0; i < w.numel(); ++i) {
      at::Tensor up = w.clone(), down = w.clone();
      up[i] += kStep;
      down[i] -= kStep;
      out[i] = (losses(up, rows).sum() - losses(down, rows).sum()) / (2 * kStep);
    }
    return out;
  }
};

TEST_CASE("a sparse table gives the bits of the dense one, with few columns and with many") {
  for (const std::int64_t columns : {kColumns, std::int64_t{70'000}}) {
    CAPTURE(columns);
    const at::Tensor dense =
        at::constant_pad_nd(drawn({kRows, kColumns}, 3).clamp_min(0), {columns - kColumns, 0});
    const at::Tensor entries = dense.nonzero().to(at::kInt);
    const at::Tensor offsets =
        at::cat({at::zeros({1}, at::kInt), dense.ne(0).sum(1).cumsum(0).to(at::kInt)});
    const at::Tensor sparse = sparse_table(offsets, entries.select(1, 1).contiguous(),
                                           dense.masked_select(dense.ne(0)), columns);
    const at::Tensor labels = drawn_labels(3), w = drawn({3 * columns + 3}, 4).to(at::kDouble);
    for (const Precision precision : {Precision::float32, Precision::float64}) {
      const auto expected = make_linear_objective(dense, labels, 3, true, {}, precision),
                 found = make_linear_objective(sparse, labels, 3, true, {}, precision);
      at::Tensor a = at::empty_like(w), b = at::empty_like(w);
      CHECK(expected->gradient_sum(w, every(1), a) == found->gradient_sum(w, every(1), b));
      CHECK(at::equal(a, b));
      expected->difference_sum(w, 0.1 * w, every(7), a);
      found->difference_sum(w, 0.1 * w, every(7), b);
      CHECK(at::equal(a, b));
    }
  }
}

TEST_CASE("a linear objective has the sum of the losses and its gradient") {
  for (const Case& some : cases()) {
    CAPTURE(some.name);
    const Reference reference(some);
    const at::Tensor w = reference.weights(5);
    for (const std::int32_t step : {1, 7, 100}) {
      const std::vector<std::int32_t> rows = every(step);
      const at::Tensor expected = reference.gradient(w, rows);
      const double loss = reference.losses(w, rows).sum().item<double>();
      at::Tensor found = at::empty_like(w);
      CHECK(reference.objective(Precision::float64)->gradient_sum(w, rows, found) ==
            doctest::Approx(loss).epsilon(1e-10));
      CHECK(relative(found, expected) < 1e-7);  // of the central differences
      CHECK(reference.objective(Precision::float32)->gradient_sum(w, rows, found) ==
            doctest::Approx(loss).epsilon(1e-5));
      CHECK(relative(found, expected) < 2e-6);
    }
  }
}

TEST_CASE("the change of a gradient does not lose digits as the step shrinks") {
  for (const Case& some : cases()) {
    CAPTURE(some.name);
    const Reference reference(some);
    const std::vector<std::int32_t> rows = every(1);
    const at::Tensor w = reference.weights(5);
    const auto twofold = reference.objective(Precision::float64);
    const auto single = reference.objective(Precision::float32);
    for (const double size : {1e-5, 1e-2, 3.0}) {
      CAPTURE(size);
      const at::Tensor v = reference.weights(6) * size;
      at::Tensor after = at::empty_like(w), before = at::empty_like(w), found = at::empty_like(w);
      twofold->gradient_sum(w + v, rows, after);
      twofold->gradient_sum(w, rows, before);
      twofold->difference_sum(w, v, rows, found);
      CHECK(relative(found, after - before) < 1e-8);
      single->difference_sum(w, v, rows, found);
      CHECK(relative(found, after - before) < 3e-6);
    }
  }
}

TEST_CASE("many changes in one pass are each what it is alone") {
  constexpr std::int64_t kChanges = 41;  // more than one group of lanes, the last not full
  for (const Case& some : cases()) {
    CAPTURE(some.name);
    const Reference reference(some);
    const std::vector<std::int32_t> rows = every(1);
    const at::Tensor w = reference.weights(5);
    std::vector<at::Tensor> changes;
    for (std::int64_t j = 0; j < kChanges; ++j) {
      const double size = std::array{1e-5, 1e-2, 3.0}[static_cast<std::size_t>(j % 3)];
      changes.push_back(reference.weights(10 + static_cast<std::uint64_t>(j)) * size);
    }
    const at::Tensor v = at::stack(changes);
    for (const Precision precision : {Precision::float32, Precision::float64}) {
      const auto objective = reference.objective(precision);
      at::Tensor together = at::empty_like(v), found = at::empty_like(w);
      objective->difference_sums(w, v, rows, together);
      for (std::int64_t j = 0; j < kChanges; ++j) {
        CAPTURE(j);
        objective->difference_sum(w, v[j], rows, found);
        // Of bytes the changes are rounded to 16 bits in float32.
        CHECK(relative(together[j], found) < (precision == Precision::float32 ? 1e-5 : 1e-12));
      }
      at::Tensor two = at::empty({2, w.numel()}, at::kDouble);
      objective->difference_sums(w, v.slice(0, 37, 39), rows, two);
      CHECK(two[0].equal(together[37]));
      CHECK(two[1].equal(together[38]));
    }
  }
}

TEST_CASE("the Kronecker product is the Hessian of a regression") {
  for (const Case& some : cases()) {
    if (!some.regression) continue;
    const Reference reference(some);
    const auto objective = reference.objective(Precision::float64);
    const std::vector<std::int32_t> rows = every(1);
    const at::Tensor w = reference.weights(5), v = reference.weights(6);
    at::Tensor expected = at::empty_like(w);
    objective->difference_sum(w, v, rows, expected);
    const KroneckerHessian hessian = objective->kronecker_hessian(w, rows, {});
    CHECK(relative(hessian.times(v) * static_cast<double>(rows.size()), expected) < 1e-6);
  }
}

TEST_CASE("the output factor is the mean Hessian of the cross-entropy") {
  const std::vector<Case> all = cases();
  const Reference reference(all[3]);
  const std::vector<std::int32_t> rows = every(1);
  const at::Tensor w = reference.weights(5);
  const KroneckerHessian hessian =
      reference.objective(Precision::float64)->kronecker_hessian(w, rows, {});
  // A change of the biases alone meets outputs (x) 1.
  at::Tensor v = at::zeros_like(w), expected = at::empty_like(w);
  v.narrow(0, 16 * kColumns, 16).copy_(reference.weights(6).narrow(0, 0, 16) * 1e-4);
  reference.objective(Precision::float64)->difference_sum(w, v, rows, expected);
  const at::Tensor biases = expected.narrow(0, 16 * kColumns, 16) / kRows;
  CHECK(relative(hessian.times(v).narrow(0, 16 * kColumns, 16), biases) < 1e-3);
}

TEST_CASE("the number of threads changes no bit of a sum") {
  const std::vector<Case> all = cases();
  const Reference reference(all[1]);
  std::vector<std::int32_t> rows;
  for (int i = 0; i < 12; ++i) {
    const std::vector<std::int32_t> some = every(1);
    rows.insert(rows.end(), some.begin(), some.end());
  }
  const auto objective = reference.objective(Precision::float32);
  const at::Tensor w = reference.weights(5);
  const int before = at::get_num_threads();
  at::Tensor one = at::empty_like(w), three = at::empty_like(w);
  at::set_num_threads(1);
  const double loss = objective->gradient_sum(w, rows, one);
  at::set_num_threads(3);
  CHECK(objective->gradient_sum(w, rows, three) == loss);
  at::set_num_threads(before);
  CHECK(three.equal(one));
}

TEST_CASE("other targets change the gradient and not the objective they came from") {
  const std::vector<Case> all = cases();
  const Reference reference(all[0]);
  const auto objective = reference.objective(Precision::float64);
  const at::Tensor w = reference.weights(5);
  const std::vector<std::int32_t> rows = every(1);
  at::Tensor before = at::empty_like(w), other = at::empty_like(w), after = at::empty_like(w);
  objective->gradient_sum(w, rows, before);
  objective->with_targets((reference.targets + 1).remainder(10))->gradient_sum(w, rows, other);
  objective->gradient_sum(w, rows, after);
  CHECK(after.equal(before));
  CHECK(relative(other, before) > 0.1);
}

}  // namespace
}  // namespace modeldiff
