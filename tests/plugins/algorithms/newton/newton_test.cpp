#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <numeric>

#include "modeldiff/core/random.h"
#include "plugins/algorithms/newton/newton_step.h"

namespace modeldiff::newton {
namespace {

constexpr std::int64_t kRows = 300;
constexpr std::int64_t kColumns = 5;
constexpr double kPenalty = 0.02;

at::Tensor drawn(at::IntArrayRef shape, std::uint64_t seed) {
  at::Tensor out = at::empty(shape, at::kFloat);
  RandomStream(seed).fill_normal(out.mutable_data_ptr<float>(), out.numel(), 1);
  return out;
}

struct Problem {
  at::Tensor inputs = drawn({kRows, kColumns}, 1);
  std::shared_ptr<const Objective> objective;
  DescentPlan plan;
  at::Tensor optimum;

  explicit Problem(bool classes, std::int64_t steps = 4000) {
    const at::Tensor scores = inputs.mv(drawn({kColumns}, 2)) + drawn({kRows}, 3);
    objective = make_linear_objective(
        inputs, classes ? (scores > 0).to(at::kLong) : scores.unsqueeze(1), classes ? 2 : 1,
        /*bias=*/false, {}, Precision::float64);
    plan.rows.resize(kRows);
    std::iota(plan.rows.begin(), plan.rows.end(), 0);
    plan.precision = Precision::float64;
    plan.weight_decay = kPenalty;
    plan.rates.assign(static_cast<std::size_t>(steps), 0.4);
    optimum = trained({});
  }

  at::Tensor trained(const DataChange& change) const {
    return descend({.objective = *objective,
                    .plan = plan,
                    .change = change,
                    .initial = at::zeros({objective->parameters()}, at::kDouble)})
        .w;
  }

  NewtonResult stepped(const DataChange& change, const at::Tensor& from,
                       NewtonKind kind = NewtonKind::newton) const {
    NewtonParams params;
    params.kind = kind;
    params.tolerance = 1e-12;
    return newton_step({.before = *objective,
                        .after = *objective,
                        .plan = plan,
                        .change = change,
                        .w = from,
                        .params = params});
  }

  /// |w' - w_retrained| / |w - w_retrained|
  double error(const DataChange& change, NewtonKind kind) const {
    const at::Tensor truth = trained(change);
    return ((stepped(change, optimum, kind).w - truth).norm() / (optimum - truth).norm())
        .item<double>();
  }
};

DataChange deletion(std::int32_t count) {
  DataChange out;
  out.removed.resize(static_cast<std::size_t>(count));
  std::iota(out.removed.begin(), out.removed.end(), 10);
  return out;
}

TEST_CASE("a Newton step is exact for least squares, from anywhere") {
  const Problem problem(false);
  const DataChange change = deletion(20);
  const at::Tensor truth = problem.trained(change);
  for (const at::Tensor& from : {problem.optimum, at::zeros_like(problem.optimum)}) {
    const NewtonResult result = problem.stepped(change, from);
    CHECK(((result.w - truth).norm() / (problem.optimum - truth).norm()).item<double>() < 1e-7);
    CHECK(result.residual < 1e-12);
    CHECK(result.iterations <= kColumns + 2);
  }
}

TEST_CASE(
    "the error of a Newton step is of second order in the deleted rows, that of an influence "
    "function too but larger") {
  const Problem problem(true);
  const double few = problem.error(deletion(3), NewtonKind::newton);
  const double many = problem.error(deletion(30), NewtonKind::newton);
  CHECK(few < 0.03);
  CHECK(many < 0.1);
  CHECK(many > 2 * few);
  CHECK(problem.error(deletion(30), NewtonKind::influence) > many);
}

TEST_CASE(
    "with nothing changed an influence function moves nothing, and Newton stays at an optimum") {
  const Problem problem(true);
  CHECK(problem.stepped({}, problem.optimum, NewtonKind::influence).w.equal(problem.optimum));
  CHECK((problem.stepped({}, problem.optimum).w - problem.optimum).norm().item<double>() < 1e-8);
}

}  // namespace
}  // namespace modeldiff::newton
