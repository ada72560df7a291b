// Known answers of DeltaGrad, in float64 on linear models, where nothing but the method is at work.
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"
#include "plugins/algorithms/deltagrad/delta_descent.h"

namespace modeldiff::deltagrad {
namespace {

at::Tensor drawn_floats(at::IntArrayRef shape, std::uint64_t seed) {
  at::Tensor out = at::empty(shape, at::kFloat);
  RandomStream(seed).fill_normal(out.mutable_data_ptr<float>(), out.numel(), 1);
  return out;
}

/// A training set, the plan of a run on it, and what came of the run.
struct Problem {
  at::Tensor inputs, targets;
  std::int64_t outputs = 2;
  bool bias = false;
  Precision precision = Precision::float64;
  std::shared_ptr<const Objective> objective;
  Trajectory trajectory;
  at::Tensor trained;

  DescentPlan& plan() { return trajectory.plan; }

  /// Trains on all rows but `without`.
  void train(const std::vector<std::int32_t>& without = {}) {
    objective = make_linear_objective(inputs, targets, outputs, bias, {}, precision);
    plan().precision = precision;
    plan().seed = 7;
    plan().rows.clear();
    for (std::int32_t row = 0; row < inputs.size(0); ++row) {
      if (std::find(without.begin(), without.end(), row) == without.end())
        plan().rows.push_back(row);
    }
    trajectory.initial = 0.1 * drawn_floats({objective->parameters()}, 3).to(at::kDouble);
    const Descent run = descend({.objective = *objective,
                                 .plan = plan(),
                                 .change = {},
                                 .initial = trajectory.initial,
                                 .keep = TrajectoryForm::exact});
    trajectory.gradients = run.gradients;
    trained = run.w;
  }

  std::shared_ptr<const Objective> after(const DataChange& change) const {
    return change.targets.defined() ? objective->with_targets(change.targets) : objective;
  }

  at::Tensor retrained(const DataChange& change) const {
    return descend({.objective = *after(change),
                    .plan = trajectory.plan,
                    .change = change,
                    .initial = trajectory.initial})
        .w;
  }

  DeltaResult corrected(const DataChange& change, const DeltaGradParams& params) const {
    return delta_descend({.before = *objective,
                          .after = *after(change),
                          .trajectory = trajectory,
                          .change = change,
                          .params = params,
                          .label = "the run"});
  }

  /// The problem as a change leaves it, its trajectory corrected.
  Problem changed(const DataChange& change, const DeltaGradParams& params) const {
    Problem out = *this;
    out.objective = after(change);
    const DeltaResult result = delta_descend({.before = *objective,
                                              .after = *out.objective,
                                              .trajectory = trajectory,
                                              .change = change,
                                              .params = params,
                                              .keep_gradients = true});
    out.trajectory.plan = trajectory.plan.after(change);
    out.trajectory.gradients = result.gradients;
    out.trained = result.w;
    return out;
  }

  /// |w^I - w^U| / |w - w^U|
  double error(const DataChange& change, const DeltaGradParams& params) const {
    const at::Tensor truth = retrained(change);
    const double moved = (trained - truth).norm().item<double>();
    return (corrected(change, params).w - truth).norm().item<double>() / moved;
  }
};

DeltaGradParams params_of(QuasiHessianKind kind, std::int64_t pairs, std::int64_t period,
                          std::int64_t burn_in) {
  DeltaGradParams out;
  out.quasi_hessian = kind;
  out.pairs = pairs;
  out.exact.period = period;
  out.exact.burn_in = burn_in;
  return out;
}

constexpr auto kCompact = QuasiHessianKind::compact_bfgs;
constexpr auto kMultisecant = QuasiHessianKind::multisecant;

DataChange deletion(std::vector<std::int32_t> rows) {
  DataChange out;
  out.removed = std::move(rows);
  return out;
}

std::vector<std::int32_t> range(std::int32_t begin, std::int32_t end) {
  std::vector<std::int32_t> out(static_cast<std::size_t>(end - begin));
  std::iota(out.begin(), out.end(), begin);
  return out;
}

/// Two classes of which the logit is linear in p inputs.
Problem logistic(std::int64_t n, std::int64_t p, std::int64_t steps, std::int64_t batch = 0) {
  Problem out;
  out.inputs = drawn_floats({n, p}, 1);
  const at::Tensor logits = out.inputs.mv(drawn_floats({p}, 2));
  at::Tensor noise = at::empty({n});
  RandomStream(4).fill_uniform(noise.mutable_data_ptr<float>(), n, 0, 1);
  out.targets = (logits.sigmoid() > noise).to(at::kLong);
  out.plan().batch = batch;
  out.plan().rates.assign(static_cast<std::size_t>(steps), 0.3);
  out.plan().weight_decay = 0.005;
  out.train();
  return out;
}

TEST_CASE("with nothing changed the correction is exactly 0 and the weights are those that were") {
  for (const std::int64_t batch : {0, 30}) {
    Problem problem = logistic(200, 5, 40, batch);
    for (const auto kind : {kCompact, kMultisecant}) {
      const DeltaResult result = problem.corrected({}, params_of(kind, 4, 5, 3));
      CHECK(result.v.abs().max().item<double>() == 0);
      CHECK(result.w.equal(problem.trained));
      CHECK(result.report.rows == 0);
    }
  }
}

TEST_CASE("with exact steps alone it is the retrained run") {
  for (const std::int64_t batch : {0, 30}) {
    CAPTURE(batch);
    Problem problem = logistic(200, 5, 40, batch);
    const DeltaGradParams all_exact = params_of(kMultisecant, 4, 1, 0);
    CHECK(problem.error(deletion({3, 17, 50}), all_exact) < 1e-12);
    CHECK(problem.error(deletion(range(0, 60)), all_exact) < 1e-12);

    DataChange relabel;
    relabel.relabelled = {1, 2, 40};
    relabel.targets = problem.targets.clone();
    for (const std::int32_t row : relabel.relabelled)
      relabel.targets[row] = 1 - relabel.targets[row];
    CHECK(problem.error(relabel, all_exact) < 1e-12);
    relabel.removed = {5, 6};
    CHECK(problem.error(relabel, all_exact) < 1e-12);

    problem.train(range(100, 120));
    DataChange addition;
    addition.added = range(100, 120);
    CHECK(problem.error(addition, all_exact) < 1e-12);
    addition.removed = {5, 6};
    CHECK(problem.error(addition, all_exact) < 1e-12);
  }
}

TEST_CASE("a batch that loses all its rows is skipped, and the steps after it are right") {
  Problem problem = logistic(60, 4, 24, 10);
  DataChange none;
  Batches batches(problem.plan(), none);
  const RowSpan second = batches.at(1).before;
  std::vector<std::int32_t> rows(second.begin(), second.end());
  std::sort(rows.begin(), rows.end());
  CHECK(problem.error(deletion(rows), params_of(kMultisecant, 4, 1, 0)) < 1e-12);
}

TEST_CASE("the order of the deleted rows and of the threads changes nothing that matters") {
  Problem problem = logistic(3000, 8, 30);
  const DataChange change = deletion({1, 500, 1500});
  const DeltaGradParams params = params_of(kMultisecant, 4, 5, 5);
  const at::Tensor once = problem.corrected(change, params).w;
  CHECK(problem.corrected(change, params).w.equal(once));
}

TEST_CASE("float32 sums in delta form stay within 1e-4 of the retrained run") {
  Problem problem = logistic(2000, 10, 60);
  problem.precision = Precision::float32;
  problem.train();
  CHECK(problem.error(deletion(range(0, 20)), params_of(kMultisecant, 4, 1, 0)) < 1e-4);
}

/// Ridge regression with X'X / n = I.
Problem whitened_ridge() {
  constexpr std::int64_t n = 120, p = 6;
  Problem out;
  const at::Tensor q = std::get<0>(at::linalg_qr(drawn_floats({n, p}, 1).to(at::kDouble)));
  out.inputs = (q * std::sqrt(static_cast<double>(n))).to(at::kFloat);
  out.targets = (out.inputs.mv(drawn_floats({p}, 2)) + 0.3 * drawn_floats({n}, 5)).unsqueeze(1);
  out.outputs = 1;
  out.plan().weight_decay = 0.01;
  out.plan().rates.assign(200, 0.3);
  out.train();
  return out;
}

TEST_CASE("on a whitened quadratic both products are exact") {
  const Problem problem = whitened_ridge();
  const DataChange change = deletion({7});
  for (const auto kind : {kCompact, kMultisecant})
    CHECK(problem.error(change, params_of(kind, 2, 20, 3)) < 1e-6);
}

TEST_CASE("a retrained ridge regression is the closed form on the rows that remain") {
  const Problem problem = whitened_ridge();
  const DataChange change = deletion({0, 1, 2});
  const at::Tensor x = problem.inputs.slice(0, 3).to(at::kDouble);
  const at::Tensor y = problem.targets.slice(0, 3).to(at::kDouble);
  const at::Tensor closed = at::linalg_solve(
      x.t().matmul(x) + 0.01 * static_cast<double>(x.size(0)) * at::eye(6, at::kDouble),
      x.t().matmul(y).squeeze(1));
  const at::Tensor truth = problem.retrained(change);
  const double moved = (problem.trained - truth).norm().item<double>();
  CHECK((truth - closed).norm().item<double>() / moved < 1e-9);
}

/// Ridge regression whose inputs have deviations of their own.
Problem scaled_ridge(std::size_t steps) {
  Problem out;
  out.inputs = drawn_floats({300, 4}, 1) * at::tensor({1.f, .7f, .5f, .35f});
  out.targets = (out.inputs.mv(drawn_floats({4}, 2)) + 0.3 * drawn_floats({300}, 5)).unsqueeze(1);
  out.outputs = 1;
  out.plan().weight_decay = 0.01;
  out.plan().rates.assign(steps, 0.3);
  out.train();
  return out;
}

TEST_CASE("on a quadratic of p inputs p secants are exact, and BFGS with p pairs is not") {
  const Problem problem = scaled_ridge(300);
  const DataChange change = deletion(range(0, 3));
  CHECK(problem.error(change, params_of(kMultisecant, 4, 20, 10)) < 1e-9);
  CHECK(problem.error(change, params_of(kMultisecant, 8, 20, 10)) < 1e-9);
  const double compact = problem.error(change, params_of(kCompact, 4, 20, 10));
  CHECK(compact > 1e-5);
  CHECK(compact < 0.5);
}

TEST_CASE("at a fixed number of steps the error is of first order in the deleted share") {
  // One logit of one input, aligned deletions: the ratio to |w - w^U| does not depend on how many.
  std::vector<double> ratios_by_length;
  for (const std::int64_t steps : {50, 100, 150}) {
    Problem problem;
    constexpr std::int64_t n = 20000;
    problem.inputs = drawn_floats({n, 1}, 1);
    problem.targets = (problem.inputs.squeeze(1) + drawn_floats({n}, 2) > 0).to(at::kLong);
    problem.plan().rates.assign(static_cast<std::size_t>(steps), 0.5);
    problem.plan().weight_decay = 0.005;
    problem.train();
    std::vector<std::int32_t> aligned;
    for (std::int32_t row = 0; row < n; ++row) {
      const bool positive = problem.inputs[row].item<float>() > 0;
      if (positive == (problem.targets[row].item<std::int64_t>() == 1)) aligned.push_back(row);
    }
    std::vector<double> ratios;
    for (const std::size_t count : {6, 60, 600}) {
      const DataChange change = deletion({aligned.begin(), aligned.begin() + count});
      ratios.push_back(problem.error(change, params_of(kCompact, 2, 10, 5)));
    }
    CAPTURE(steps);
    // The ratio is constant: a slope of 1 of the error, within 0.1.
    CHECK(std::abs(std::log10(ratios[2] / ratios[0])) / 2 < 0.1);
    ratios_by_length.push_back(ratios[1]);
  }
  CHECK(ratios_by_length[1] < ratios_by_length[0] / 5);
  CHECK(ratios_by_length[2] < ratios_by_length[1] / 5);
}

TEST_CASE("rows that are put back give the first run again") {
  Problem problem = logistic(2000, 10, 200);
  for (const auto& [kind, pairs, limit] :
       {std::tuple{kCompact, 2, 1e-3}, std::tuple{kMultisecant, 8, 1e-6}}) {
    CAPTURE(pairs);
    const DataChange change = deletion(range(0, 20));
    const DeltaGradParams params = params_of(kind, pairs, 5, 10);
    const double moved = (problem.trained - problem.retrained(change)).norm().item<double>();
    Problem without = logistic(2000, 10, 200);
    without.train(range(0, 20));
    DataChange back;
    back.added = range(0, 20);
    CHECK((without.corrected(back, params).w - problem.trained).norm().item<double>() / moved <
          limit);
  }
}

TEST_CASE("a corrected trajectory is that of the changed run") {
  for (const std::int64_t batch : {0, 30}) {
    CAPTURE(batch);
    const Problem problem = logistic(200, 5, 40, batch);
    const DeltaGradParams all_exact = params_of(kMultisecant, 4, 1, 0);
    const Problem without = problem.changed(deletion({3, 17, 50}), all_exact);
    DataChange next = deletion({4});
    next.added = {17};
    DataChange both = deletion({3, 4, 50});
    const at::Tensor truth = without.retrained(next);
    CHECK((without.corrected(next, all_exact).w - truth).norm().item<double>() <
          1e-12 * (problem.trained - truth).norm().item<double>());
    // Of full batches a row that comes back is as if it had never gone.
    if (batch == 0) {
      CHECK((truth - problem.retrained(both)).norm().item<double>() <
            1e-12 * truth.norm().item<double>());
    }
  }
}

TEST_CASE(
    "rows that are deleted and put back on the corrected trajectory give the first run again") {
  const Problem problem = logistic(2000, 10, 200);
  for (const auto& [kind, pairs, limit] :
       {std::tuple{kCompact, 2, 1e-3}, std::tuple{kMultisecant, 8, 1e-6}}) {
    CAPTURE(pairs);
    const DataChange change = deletion(range(0, 20));
    const DeltaGradParams params = params_of(kind, pairs, 5, 10);
    const double moved = (problem.trained - problem.retrained(change)).norm().item<double>();
    DataChange back;
    back.added = range(0, 20);
    const at::Tensor again = problem.changed(change, params).corrected(back, params).w;
    CHECK((again - problem.trained).norm().item<double>() / moved < limit);
  }
}

TEST_CASE("thirty deletions in turn are one deletion of thirty") {
  const Problem problem = logistic(2000, 10, 200);
  const DataChange all = deletion(range(0, 30));
  const at::Tensor truth = problem.retrained(all);
  const double moved = (problem.trained - truth).norm().item<double>();
  for (const auto& [kind, pairs, limit] :
       {std::tuple{kCompact, 2, 5e-3}, std::tuple{kMultisecant, 8, 1e-5}}) {
    CAPTURE(pairs);
    const DeltaGradParams params = params_of(kind, pairs, 5, 10);
    Problem state = problem;
    for (std::int32_t row = 0; row < 30; ++row) state = state.changed(deletion({row}), params);
    CHECK((state.trajectory.plan.live_rows() == range(30, 2000)));
    const double error = (state.trained - truth).norm().item<double>() / moved;
    CHECK(error < limit);
    const at::Tensor at_once = problem.corrected(all, params).w;
    CHECK((state.trained - at_once).norm().item<double>() / moved <
          error + problem.error(all, params) + 1e-12);
  }
}

TEST_CASE("requests of one pass do not see each other, and are what they are alone") {
  for (const std::int64_t batch : {0, 300}) {
    CAPTURE(batch);
    const Problem problem = logistic(2000, 10, 60, batch);
    DeltaGradParams params = params_of(kMultisecant, 4, 8, 4);
    std::vector<DataChange> changes;
    for (std::int32_t row = 0; row < 11; ++row) changes.push_back(deletion({row * 7}));
    std::vector<at::Tensor> alone;
    for (const DataChange& change : changes) alone.push_back(problem.corrected(change, params).w);
    params.at_once = 16;
    std::vector<DeltaRequest> requests;
    for (const DataChange& change : changes) {
      requests.push_back({.before = *problem.objective,
                          .after = *problem.objective,
                          .trajectory = problem.trajectory,
                          .change = change,
                          .params = params});
    }
    const std::vector<DeltaResult> together = delta_descend_together(requests);
    for (std::size_t i = 0; i < changes.size(); ++i) {
      const double moved = (alone[i] - problem.trained).norm().item<double>();
      CHECK((together[i].w - alone[i]).norm().item<double>() / moved < 1e-8);
      CHECK(problem.corrected(changes[i], params).w.equal(together[i].w));
    }
  }
}

TEST_CASE("half the bytes of a trajectory cost little") {
  Problem problem = logistic(2000, 10, 200);
  const DataChange change = deletion(range(0, 20));
  const DeltaGradParams params = params_of(kMultisecant, 8, 5, 10);
  const at::Tensor truth = problem.retrained(change);
  problem.trajectory.gradients = descend({.objective = *problem.objective,
                                          .plan = problem.plan(),
                                          .change = {},
                                          .initial = problem.trajectory.initial,
                                          .keep = TrajectoryForm::bfloat16})
                                     .gradients;
  REQUIRE((problem.trajectory.gradients.scalar_type() == at::kBFloat16));
  const auto corrected = [&](const DataChange& some) {
    return delta_descend({.before = *problem.objective,
                          .after = *problem.objective,
                          .trajectory = problem.trajectory,
                          .end = problem.trained,
                          .change = some,
                          .params = params});
  };
  const double moved = (problem.trained - truth).norm().item<double>();
  CHECK((corrected(change).w - truth).norm().item<double>() / moved < 5e-3);
  CHECK(corrected({}).w.equal(problem.trained));
}

TEST_CASE("a Kronecker base is right where one pair is not enough") {
  const Problem problem = scaled_ridge(60);
  const DataChange change = deletion(range(0, 3));
  CHECK(problem.error(change, params_of(QuasiHessianKind::multisecant_kfac, 1, 30, 2)) < 1e-5);
  CHECK(problem.error(change, params_of(kMultisecant, 1, 30, 2)) > 1e-3);
}

TEST_CASE("the adaptive gaps reach the same error with fewer exact steps") {
  Problem problem = logistic(2000, 10, 400);
  const DataChange change = deletion(range(0, 20));
  DeltaGradParams adaptive = params_of(kMultisecant, 8, 10, 4);
  adaptive.exact.kind = ExactStepsKind::adaptive;
  const DeltaResult result = problem.corrected(change, adaptive);
  CHECK(result.report.exact_steps < 40);
  CHECK(result.report.exact_steps + result.report.approximate_steps == 399);
  CHECK(problem.error(change, adaptive) < 1e-3);
}

TEST_CASE("an audit tells the error of a prediction and changes nothing") {
  Problem problem = logistic(500, 6, 80);
  const DataChange change = deletion({1, 2, 3});
  DeltaGradParams params = params_of(kMultisecant, 4, 10, 5);
  const at::Tensor plain = problem.corrected(change, params).w;
  params.audits = 80;
  const DeltaResult audited = problem.corrected(change, params);
  CHECK(audited.w.equal(plain));
  REQUIRE(!audited.report.audits.empty());
  for (const auto& [step, error] : audited.report.audits) {
    CHECK(error > 0);
    CHECK(error < 0.5);
  }
}

TEST_CASE("a run that diverges is told with its step") {
  Problem problem = logistic(100, 4, 30);
  problem.trajectory.gradients[20].fill_(std::numeric_limits<double>::quiet_NaN());
  CHECK_THROWS_WITH_AS(
      problem.corrected(deletion({1}), params_of(kMultisecant, 4, 5, 5)),
      doctest::Contains("the run: the correction is not finite after step 21 of 30"),
      NumericalError);
}

}  // namespace
}  // namespace modeldiff::deltagrad
