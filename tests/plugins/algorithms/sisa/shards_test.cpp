// Who is in which shard, and what a change costs: known without training anything.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"
#include "plugins/algorithms/sisa/shards.h"

namespace modeldiff::sisa {
namespace {

std::vector<std::int32_t> all_rows(std::int64_t n) {
  std::vector<std::int32_t> out(static_cast<std::size_t>(n));
  std::iota(out.begin(), out.end(), 0);
  return out;
}

ShardPlan plan_of(std::int64_t n, std::int64_t shards, std::int64_t slices) {
  ShardPlan out;
  out.examples = n;
  out.rows = all_rows(n);
  out.seed = 3;
  out.shards = shards;
  out.slices = slices;
  out.steps = 4;
  return out;
}

DataChange without(std::vector<std::int32_t> rows) {
  DataChange out;
  out.removed = std::move(rows);
  return out;
}

/// Mean over all single deletions of the share of gradients that are computed anew.
double mean_share(const ShardPlan& plan) {
  const Shards before(plan);
  const double whole =
      before.gradients(std::vector<std::int64_t>(static_cast<std::size_t>(plan.shards), 0));
  double sum = 0;
  for (const std::int32_t row : plan.rows)
    sum += before.gradients(before.first_hit(without({row})));
  return sum / whole / static_cast<double>(plan.rows.size());
}

TEST_CASE("every row is in one shard and slice, of equal size but for one row") {
  const Shards shards(plan_of(103, 5, 3));
  std::vector<std::int64_t> sizes(15);
  for (const std::int32_t row : shards.plan().rows)
    ++sizes[static_cast<std::size_t>(shards.shard_of(row) * 3 + shards.slice_of(row))];
  const auto [least, most] = std::minmax_element(sizes.begin(), sizes.end());
  CHECK(*least == 6);
  CHECK(*most == 7);
}

TEST_CASE("a slice's descent is on the rows of its shard that have joined") {
  const Shards shards(plan_of(60, 3, 2));
  CHECK(shards.descent(1, 0).rows.size() == 10);
  const DescentPlan whole = shards.descent(1, 1);
  CHECK(whole.rows.size() == 20);
  CHECK(whole.steps() == 4);
  CHECK(std::is_sorted(whole.rows.begin(), whole.rows.end()));
  for (const std::int32_t row : whole.rows) CHECK(shards.shard_of(row) == 1);
}

TEST_CASE("epochs are passes over the rows so far") {
  ShardPlan plan = plan_of(60, 3, 2);
  plan.steps = 0;
  plan.epochs = 2;
  plan.batch = 4;
  const Shards shards(plan);
  CHECK(shards.descent(0, 0).steps() == 2 * 3);
  CHECK(shards.descent(0, 1).steps() == 2 * 5);
  CHECK(shards.gradients({2, 2, 0}) == 2 * (10 + 20));
}

TEST_CASE("a deletion moves no other row") {
  const ShardPlan plan = plan_of(60, 3, 2);
  ShardPlan fewer = plan;
  fewer.rows.erase(fewer.rows.begin() + 10, fewer.rows.begin() + 30);
  const Shards before(plan), after(fewer);
  for (const std::int32_t row : fewer.rows) {
    CHECK(after.shard_of(row) == before.shard_of(row));
    CHECK(after.slice_of(row) == before.slice_of(row));
  }
}

TEST_CASE("a change hits the first slice that has one of its rows, in each shard") {
  const Shards shards(plan_of(60, 3, 2));
  CHECK(shards.first_hit({}) == std::vector<std::int64_t>{2, 2, 2});
  const std::int32_t early = shards.descent(1, 0).rows.front();
  std::vector<std::int32_t> late = shards.descent(2, 1).rows;
  std::erase_if(late, [&](std::int32_t row) { return shards.slice_of(row) == 0; });
  CHECK(shards.first_hit(without({early})) == std::vector<std::int64_t>{2, 0, 2});
  CHECK(shards.first_hit(without({early, late.front()})) == std::vector<std::int64_t>{2, 0, 1});
  DataChange addition;
  addition.added = {late.front()};
  CHECK(shards.first_hit(addition) == std::vector<std::int64_t>{2, 2, 1});
}

// With e passes after each slice of m rows, slice r (from 1) costs e m (r + ... + R) to train anew
// and e m R (R + 1) / 2 is the whole: the mean over r is a share (2 R + 1) / (3 R) of the shard.
TEST_CASE(
    "one deletion costs (1/S)(2/3 + 1/(3R)) of training, on average, where slices get passes") {
  for (const auto& [shards, slices] :
       {std::pair{1, 1}, std::pair{1, 4}, std::pair{5, 1}, std::pair{5, 4}, std::pair{3, 10}}) {
    CAPTURE(shards);
    CAPTURE(slices);
    ShardPlan plan = plan_of(600, shards, slices);
    const double expected = (2.0 / 3 + 1.0 / (3 * slices)) / shards;
    CHECK(mean_share(plan) == doctest::Approx(expected).epsilon(1e-9));
    plan.steps = 0;
    plan.epochs = 3;
    plan.batch = 5;
    CHECK(mean_share(plan) == doctest::Approx(expected).epsilon(1e-9));
  }
}

TEST_CASE("with as many mini-batches after each slice it costs (1/S)(1/2 + 1/(2R))") {
  ShardPlan plan = plan_of(600, 5, 4);
  plan.batch = 5;
  plan.steps = 12;
  CHECK(mean_share(plan) == doctest::Approx((0.5 + 0.5 / 4) / 5).epsilon(1e-9));
}

TEST_CASE("q random deletions hit S (1 - (1 - 1/S)^q) shards, on average over seeds") {
  // Each of kDraws seeds counts 0..S hits, whose variance is below that of S independent shards;
  // the rows are drawn without replacement from many, so that (1 - 1/S)^q is right to q^2 / n.
  constexpr int kDraws = 400;
  constexpr double kLevels = 4;  // standard errors: one draw in 16,000 fails
  constexpr std::int64_t kRows = 4000, kShards = 8;
  for (const std::int64_t q : {1, 5, 20}) {
    CAPTURE(q);
    double hits = 0;
    for (int draw = 0; draw < kDraws; ++draw) {
      ShardPlan plan = plan_of(kRows, kShards, 2);
      plan.seed = static_cast<std::uint64_t>(draw);
      const Shards shards(plan);
      std::vector<std::int32_t> rows;
      for (const std::int64_t row : RandomStream(7, "deletions", plan.seed).choose(kRows, q))
        rows.push_back(static_cast<std::int32_t>(row));
      for (const std::int64_t first : shards.first_hit(without(rows))) hits += first < 2 ? 1 : 0;
    }
    const double missed = std::pow(1 - 1.0 / kShards, q);
    const double error = std::sqrt(kShards * missed * (1 - missed) / kDraws);
    CHECK(std::abs(hits / kDraws - kShards * (1 - missed)) <= kLevels * error + 1e-12);
  }
}

TEST_CASE("more parts than rows are refused, with both numbers") {
  try {
    Shards shards(plan_of(5, 3, 2));
    FAIL("not refused");
  } catch (const ConfigError& error) {
    CHECK(error.diagnostics().front().message.find("6 parts of a training set of 5 rows") !=
          std::string::npos);
  }
}

}  // namespace
}  // namespace modeldiff::sisa
