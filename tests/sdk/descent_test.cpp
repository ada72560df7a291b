#include "modeldiff/descent.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

constexpr std::int64_t kRows = 40;

Examples examples() {
  Examples out;
  out.inputs = at::arange(kRows * 2, at::kFloat).view({kRows, 2}) / 80;
  out.targets = at::arange(kRows, at::kLong).remainder(3);
  return out;
}

DataFacts facts() {
  DataFacts out;
  out.input_shape = {2};
  out.outputs = 3;
  return out;
}

std::vector<std::int32_t> range(std::int32_t begin, std::int32_t end) {
  std::vector<std::int32_t> out(static_cast<std::size_t>(end - begin));
  std::iota(out.begin(), out.end(), begin);
  return out;
}

std::multiset<std::int32_t> set_of(RowSpan rows) { return {rows.begin(), rows.end()}; }

RowSelection share(double rate) {
  RowSelection out;
  out.rate = rate;
  return out;
}

TEST_CASE("selections of one seed are nested, ascend, and differ between seeds") {
  const std::vector<std::int32_t> few = select_rows(share(0.1), examples(), 0);
  const std::vector<std::int32_t> many = select_rows(share(0.5), examples(), 0);
  CHECK(few.size() == 4);
  CHECK(many.size() == 20);
  CHECK(std::is_sorted(many.begin(), many.end()));
  CHECK(std::includes(many.begin(), many.end(), few.begin(), few.end()));
  RowSelection other = share(0.5);
  other.seed = 1;
  CHECK(select_rows(other, examples(), 0) != many);
  CHECK(select_rows(share(0.5), examples(), 3) == many);
}

TEST_CASE("selections that vary share no row, and together are all") {
  RowSelection one;
  one.count = 8;
  one.vary = true;
  std::set<std::int32_t> seen;
  for (std::int64_t run = 0; run < 5; ++run) {
    for (const std::int32_t row : select_rows(one, examples(), run)) CHECK(seen.insert(row).second);
  }
  CHECK(seen.size() == kRows);
  CHECK_THROWS_WITH_AS(select_rows(one, examples(), 5),
                       doctest::Contains("asks run 5 for rows 40 to 47 of the random order, and 40 "
                                         "rows can be drawn"),
                       ConfigError);
}

TEST_CASE("a selection of a class has rows of that class alone") {
  RowSelection some = share(0.5);
  some.of_class = 2;
  const std::vector<std::int32_t> rows = select_rows(some, examples(), 0);
  CHECK(rows.size() == 7);
  for (const std::int32_t row : rows) CHECK(row % 3 == 2);
}

TEST_CASE("rows that are named twice or are not there are refused") {
  RowSelection some;
  some.rows = {3, 1, 3};
  CHECK_THROWS_WITH_AS(select_rows(some, examples(), 0), doctest::Contains("names row 3 twice"),
                       ConfigError);
  some.rows = {40};
  CHECK_THROWS_WITH_AS(select_rows(some, examples(), 0),
                       doctest::Contains("names row 40, and the training set has 40 rows"),
                       ConfigError);
  CHECK_THROWS_WITH_AS(select_rows({}, examples(), 0),
                       doctest::Contains("give one of `rate`, `count` and `rows`"), ConfigError);
}

TEST_CASE("a change keeps to the rows of the first run") {
  ChangeParams change;
  change.remove = RowSelection{};
  change.remove->rows = {30};
  CHECK_THROWS_WITH_AS(draw_change(change, facts(), examples(), range(0, 20), 0),
                       doctest::Contains("selects row 30, which the first run did not have"),
                       ConfigError);
  change.add = std::exchange(change.remove, std::nullopt);
  CHECK(draw_change(change, facts(), examples(), range(0, 20), 0).added ==
        std::vector<std::int32_t>{30});
  change.add->rows = {3};
  CHECK_THROWS_WITH_AS(draw_change(change, facts(), examples(), range(0, 20), 0),
                       doctest::Contains("selects row 3, which the first run had already"),
                       ConfigError);
}

TEST_CASE("relabelled rows get another class, others keep theirs") {
  ChangeParams change;
  change.relabel = share(0.5);
  const DataChange drawn = draw_change(change, facts(), examples(), range(0, 40), 0);
  REQUIRE(drawn.relabelled.size() == 20);
  for (std::int32_t row = 0; row < kRows; ++row) {
    const bool chosen = std::binary_search(drawn.relabelled.begin(), drawn.relabelled.end(), row);
    const auto label = drawn.targets[row].item<std::int64_t>();
    CHECK((label != row % 3) == chosen);
    CHECK(label >= 0);
    CHECK(label < 3);
  }
}

DescentPlan plan(std::int64_t batch) {
  DescentPlan out;
  out.rows = range(0, 30);
  out.seed = 5;
  out.batch = batch;
  out.rates.assign(12, 0.1);
  return out;
}

TEST_CASE("an epoch has each row once, and each added row joins one of its batches") {
  DataChange change;
  change.removed = {0, 1, 2, 3};
  change.added = range(30, 40);
  for (const std::int64_t batch : {0, 7}) {
    CAPTURE(batch);
    const DescentPlan some = plan(batch);
    Batches batches(some, change);
    const std::int64_t per_epoch = some.steps_per_epoch();
    CHECK(per_epoch == (batch == 0 ? 1 : 5));
    std::multiset<std::int32_t> before, after;
    for (std::int64_t step = 0; step < per_epoch; ++step) {
      const StepRows rows = batches.at(step);
      before.merge(set_of(rows.before));
      after.merge(set_of(rows.after));
    }
    const std::vector<std::int32_t> all = range(0, 30), changed = range(4, 40);
    CHECK(before == std::multiset<std::int32_t>(all.begin(), all.end()));
    CHECK(after == std::multiset<std::int32_t>(changed.begin(), changed.end()));
  }
}

TEST_CASE("a step's rows do not depend on the steps that were asked for before") {
  DataChange change;
  change.removed = {0, 1, 2, 3};
  change.added = range(30, 40);
  const DescentPlan some = plan(7);
  Batches in_order(some, change);
  for (std::int64_t step = 0; step < some.steps(); ++step) {
    Batches alone(some, change);
    const StepRows a = in_order.at(step), b = alone.at(step);
    CHECK(set_of(a.before) == set_of(b.before));
    CHECK(set_of(a.removed) == set_of(b.removed));
    CHECK(set_of(a.added) == set_of(b.added));
    CHECK(set_of(a.after) == set_of(b.after));
  }
}

TEST_CASE("a relabelled row both leaves and enters") {
  DataChange change;
  change.relabelled = {4, 9};
  const DescentPlan some = plan(0);
  Batches batches(some, change);
  const StepRows rows = batches.at(3);
  CHECK(set_of(rows.removed) == std::multiset<std::int32_t>{4, 9});
  CHECK(set_of(rows.added) == std::multiset<std::int32_t>{4, 9});
  CHECK(rows.after.size() == 30);
}

TEST_CASE("kept gradients rebuild the weights bit for bit") {
  const Examples train = examples();
  const auto objective =
      make_linear_objective(train.inputs, train.targets, 3, true, {}, Precision::float32);
  DescentPlan some = plan(7);
  some.weight_decay = 0.01;
  const at::Tensor initial = at::full({9}, 0.1, at::kDouble);
  const Descent run = descend({.objective = *objective,
                               .plan = some,
                               .change = {},
                               .initial = initial,
                               .keep = TrajectoryForm::exact});
  at::Tensor w = initial.clone();
  for (std::int64_t t = 0; t < some.steps(); ++t)
    descent_step(w, some.rates[static_cast<std::size_t>(t)], some.weight_decay, run.gradients[t]);
  CHECK(w.equal(run.w));
}

TEST_CASE("a descent that begins in the middle, from the weights there, ends as the whole") {
  const Examples train = examples();
  const auto objective =
      make_linear_objective(train.inputs, train.targets, 3, true, {}, Precision::float64);
  DescentPlan some = plan(7);
  some.precision = Precision::float64;
  const at::Tensor initial = at::full({9}, 0.1, at::kDouble);
  DataChange change;
  change.removed = {4, 9};
  at::Tensor middle;
  const Descent whole = descend({.objective = *objective,
                                 .plan = some,
                                 .change = change,
                                 .initial = initial,
                                 .after = [&](std::int64_t step, const at::Tensor& w) {
                                   if (step == 4) middle = w.clone();
                                 }});
  const Descent rest = descend(
      {.objective = *objective, .plan = some, .change = change, .initial = middle, .begin = 5});
  CHECK(rest.w.equal(whole.w));
}

TEST_CASE("checkpoints are evenly spaced and sum the rates since the one before") {
  CheckpointKeeper keeper({2, false}, {0.1, 0.2, 0.3, 0.4, 0.5});
  for (std::int64_t step = 0; step < 5; ++step)
    keeper.after(step, at::full({2}, static_cast<double>(step), at::kDouble));
  const std::vector<Checkpoint> kept = keeper.take();
  REQUIRE(kept.size() == 2);
  CHECK(kept[0].step == 2);
  CHECK(kept[1].step == 5);
  CHECK(kept[0].learning_rate_sum == doctest::Approx(0.3));
  CHECK(kept[1].learning_rate_sum == doctest::Approx(1.2));
  CHECK(kept[1].weights.parameters.equal(at::full({2}, 4.0f)));
  CHECK_THROWS_AS(CheckpointKeeper({6, false}, {0.1, 0.2}), ConfigError);
}

TEST_CASE("a trajectory comes back from a run as it was left, for the same data alone") {
  Trajectory left;
  left.plan = plan(7);
  left.plan.weight_decay = 0.01;
  left.initial = at::full({9}, 0.1, at::kDouble);
  left.gradients = at::ones({12, 9});
  left.data_digest = training_set_digest(examples(), left.plan);
  TrainedRun run;
  leave_trajectory(left, run);
  InputRun found;
  found.facts = run.facts;
  found.tensors = run.tensors;
  const Trajectory read = read_trajectory(found, examples());
  CHECK(read.plan.rows == left.plan.rows);
  CHECK(read.plan.seed == left.plan.seed);
  CHECK(read.plan.batch == left.plan.batch);
  CHECK(read.plan.rates == left.plan.rates);
  CHECK(read.plan.weight_decay == left.plan.weight_decay);
  CHECK(read.initial.equal(left.initial));
  CHECK(read.gradients.equal(left.gradients));

  Examples other = examples();
  other.targets[3] = 2;
  CHECK_THROWS_WITH_AS(read_trajectory(found, other),
                       doctest::Contains("was trained on other data"), DataError);
  found.facts = Json::object();
  CHECK_THROWS_WITH_AS(read_trajectory(found, examples()),
                       doctest::Contains("momentum, Adam, dropout, batch norm and augmentation"),
                       ConfigError);
}

}  // namespace
}  // namespace modeldiff
