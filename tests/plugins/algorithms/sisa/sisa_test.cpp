// Training anew what a change hits is training from scratch, bit for bit.
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

#include "modeldiff/core/random.h"
#include "plugins/algorithms/sisa/shard_training.h"

namespace modeldiff::sisa {
namespace {

constexpr std::int64_t kRows = 120, kColumns = 6, kClasses = 3, kShards = 4, kSlices = 3;

at::Tensor drawn(at::IntArrayRef shape, std::uint64_t seed) {
  at::Tensor out = at::empty(shape, at::kFloat);
  RandomStream(seed).fill_normal(out.mutable_data_ptr<float>(), out.numel(), 1);
  return out;
}

struct Problem {
  at::Tensor inputs = drawn({kRows, kColumns}, 1);
  std::shared_ptr<const Objective> objective =
      make_linear_objective(inputs, inputs.slice(1, 0, kClasses).argmax(1), kClasses, /*bias=*/true,
                            {}, Precision::float32);
  at::Tensor initial = drawn({kShards, (kColumns + 1) * kClasses}, 2).to(at::kDouble);

  TrainedShards trained(const ShardPlan& plan, const at::Tensor& kept = {},
                        const DataChange& change = {}) const {
    const Shards shards(plan);
    const std::vector<std::int64_t> all(kShards, 0);
    return train_shards({.objective = *objective,
                         .shards = shards,
                         .initial = initial,
                         .kept = kept,
                         .first = kept.defined() ? shards.first_hit(change) : all});
  }
};

ShardPlan plan_of(std::int64_t batch) {
  ShardPlan out;
  out.examples = kRows;
  out.rows.resize(kRows);
  std::iota(out.rows.begin(), out.rows.end(), 0);
  out.seed = 5;
  out.shards = kShards;
  out.slices = kSlices;
  out.batch = batch;
  (batch == 0 ? out.steps : out.epochs) = 4;
  out.rate = 0.3;
  out.weight_decay = 0.01;
  return out;
}

ShardPlan less(ShardPlan plan, const std::vector<std::int32_t>& removed) {
  std::erase_if(plan.rows, [&](std::int32_t row) {
    return std::find(removed.begin(), removed.end(), row) != removed.end();
  });
  return plan;
}

TEST_CASE(
    "shards trained anew from their checkpoints are those trained from scratch, bit for bit") {
  const Problem problem;
  for (const std::int64_t batch : {0, 7}) {
    const ShardPlan plan = plan_of(batch);
    const TrainedShards before = problem.trained(plan);
    for (const std::uint64_t seed : {1, 2, 3}) {
      for (const std::int64_t count : {1, 2, 40}) {
        CAPTURE(batch);
        CAPTURE(seed);
        CAPTURE(count);
        DataChange change;
        for (const std::int64_t row : RandomStream(seed, "rows").choose(kRows, count))
          change.removed.push_back(static_cast<std::int32_t>(row));
        const ShardPlan after = less(plan, change.removed);
        const TrainedShards quick = problem.trained(after, before.checkpoints, change);
        CHECK(quick.checkpoints.equal(problem.trained(after).checkpoints));
        CHECK_FALSE(quick.checkpoints.equal(before.checkpoints));

        DataChange back;
        back.added = change.removed;
        CHECK(problem.trained(plan, quick.checkpoints, back).checkpoints.equal(before.checkpoints));
      }
    }
  }
}

TEST_CASE("a stream of deletions ends where one deletion of all rows does") {
  const Problem problem;
  const ShardPlan plan = plan_of(7);
  TrainedShards now = problem.trained(plan);
  std::vector<std::int32_t> gone;
  for (const std::int32_t row : {3, 50, 51, 90}) {
    gone.push_back(row);
    DataChange change;
    change.removed = {row};
    now = problem.trained(less(plan, gone), now.checkpoints, change);
  }
  CHECK(now.checkpoints.equal(problem.trained(less(plan, gone)).checkpoints));
}

TEST_CASE("deleting nothing trains nothing") {
  const Problem problem;
  const TrainedShards before = problem.trained(plan_of(7));
  const TrainedShards after = problem.trained(plan_of(7), before.checkpoints);
  CHECK(after.checkpoints.equal(before.checkpoints));
  CHECK(after.losses.empty());
}

TEST_CASE("a shard that loses all rows stays at its first weights and has no vote") {
  const Problem problem;
  const ShardPlan plan = plan_of(0);
  const TrainedShards before = problem.trained(plan);
  DataChange change;
  change.removed = Shards(plan).descent(2, kSlices - 1).rows;
  const ShardPlan fewer = less(plan, change.removed);
  const TrainedShards after = problem.trained(fewer, before.checkpoints, change);
  CHECK(after.checkpoints[2][kSlices - 1].equal(problem.initial[2]));
  CHECK(after.checkpoints[1].equal(before.checkpoints[1]));
  CHECK(Shards(fewer).votes() == std::vector<float>{1, 1, 0, 1});
  CHECK(Shards(fewer).gradients(Shards(fewer).first_hit(change)) == 0);
}

TEST_CASE("one shard of one slice is plain descent") {
  const Problem problem;
  ShardPlan plan = plan_of(0);
  plan.shards = 1;
  plan.slices = 1;
  const Shards shards(plan);
  const DescentPlan descent = shards.descent(0, 0);
  CHECK(descent.rows == plan.rows);
  const at::Tensor alone = descend({.objective = *problem.objective,
                                    .plan = descent,
                                    .change = {},
                                    .initial = problem.initial[0]})
                               .w;
  const TrainedShards trained = train_shards({.objective = *problem.objective,
                                              .shards = shards,
                                              .initial = problem.initial.slice(0, 0, 1),
                                              .first = {0}});
  CHECK(trained.checkpoints[0][0].equal(alone));
}

}  // namespace
}  // namespace modeldiff::sisa
