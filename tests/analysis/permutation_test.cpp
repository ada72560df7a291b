#include "analysis/permutation.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cmath>

#include "analysis/directions.h"
#include "analysis/statistics.h"
#include "drawn.h"
#include "modeldiff/core/error.h"

using namespace modeldiff;
using namespace modeldiff::testing;

namespace {

using Runs = std::vector<at::Tensor>;

/// Runs of one algorithm: a score matrix that all share, and noise of their own.
Runs noisy_runs(std::uint64_t seed, int count, const at::Tensor& common, double noise) {
  Runs out;
  for (int r = 0; r < count; ++r) {
    out.push_back((common + noise * normal(seed * 1000 + r, {common.size(0), common.size(1)}))
                      .to(at::kFloat));
  }
  return out;
}

at::Tensor mean_of(std::span<const int> chosen, const Runs& pool) {
  at::Tensor sum = at::zeros_like(pool.front(), at::kDouble);
  for (const int r : chosen) sum += pool[r];
  return sum / static_cast<double>(chosen.size());
}

}  // namespace

TEST_CASE(
    "Lanczos gives the first singular value of centred matrices, clustered spectra included") {
  for (std::uint64_t seed : {1, 2, 3}) {
    CAPTURE(seed);
    for (const at::Tensor& matrix :
         {normal(seed, {300, 1200}), normal(seed, {40, 7}), 1e-9 * normal(seed, {5, 900}),
          orthonormal_rows(seed, 30, 60)}) {
      const at::Tensor s = at::linalg_svdvals(matrix - matrix.mean(0, true));
      CHECK(std::abs(first_centred_singular_value(matrix) / s[0].item<double>() - 1) < 2e-6);
    }
  }
  CHECK(first_centred_singular_value(at::ones({5, 4})) == 0);
}

TEST_CASE("p-values of exchangeable runs are uniform") {
  constexpr int kRepeats = 200, kRuns = 5;
  constexpr double kLevel = 0.01;
  const at::Tensor common = normal(1, {20, 60});
  std::vector<double> p_values;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const Runs a = noisy_runs(2 + 2 * repeat, kRuns, common, 1);
    const Runs b = noisy_runs(3 + 2 * repeat, kRuns, common, 1);
    const PermutationTest test = permutation_test(
        a, b, {}, {.permutations = 39, .seed = static_cast<std::uint64_t>(repeat)});
    p_values.push_back(test.p_values[0]);
  }
  CHECK(uniform_test(p_values) > kLevel);
}

TEST_CASE("the distance between means has uniform p-values, and the smallest where means differ") {
  constexpr int kRuns = 6;
  const auto tested = [&](std::uint64_t seed, double shift) {
    at::Tensor points = normal(seed, {2 * kRuns, 30});
    points.narrow(0, 0, kRuns) += shift;
    const PermutationTest test =
        distance_test(at::matmul(points, points.t()), kRuns, {.permutations = 99, .seed = seed});
    const at::Tensor apart =
        points.narrow(0, 0, kRuns).mean(0) - points.narrow(0, kRuns, kRuns).mean(0);
    CHECK(test.statistics[0] == doctest::Approx(apart.norm().item<double>()));
    return test.p_values[0];
  };
  std::vector<double> p_values;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) p_values.push_back(tested(seed, 0));
  CHECK(uniform_test(p_values) > 0.01);
  CHECK(tested(1, 1) <= 0.02);
  CHECK_THROWS_AS(distance_test(at::zeros({4, 3}), 2, {}), ShapeError);
  CHECK_THROWS_AS(distance_test(at::zeros({4, 4}), 3, {}), ShapeError);
}

TEST_CASE("a planted direction gets the smallest p-value there is") {
  const at::Tensor common = normal(1, {30, 100});
  const at::Tensor planted = 3 * at::outer(normal(2, {30}), orthonormal_rows(3, 1, 100)[0]);
  const PermutationTest test =
      permutation_test(noisy_runs(4, 10, common + planted, 1), noisy_runs(5, 10, common, 1), {},
                       {.permutations = 99});
  CHECK(test.p_values[0] == 0.01);
  CHECK(test.null.amax().item<double>() < test.statistics[0]);
}

TEST_CASE(
    "the quick test of means is the general one, direction by direction, on any number of "
    "threads") {
  const at::Tensor common = normal(1, {25, 80});
  const Runs a = noisy_runs(7, 4, common + normal(2, {25, 80}) * 0.2, 0.5);
  const Runs b = noisy_runs(8, 6, common, 0.5);
  Runs pool = a;
  pool.insert(pool.end(), b.begin(), b.end());
  const at::Tensor mean_a = at::stack(a).to(at::kDouble).mean(0);
  const at::Tensor mean_b = at::stack(b).to(at::kDouble).mean(0);
  const DirectionSet found = find_directions(unit_rows(mean_a, mean_b), 3);

  PermutationOptions options{.permutations = 30, .seed = 5};
  const PermutationTest quick = permutation_test(a, b, found.examples, options);
  options.threads = 3;
  const PermutationTest threaded = permutation_test(a, b, found.examples, options);
  const PermutationTest general =
      permutation_test([&](std::span<const int> runs) { return mean_of(runs, pool); }, 4, 6,
                       found.examples, options);

  CHECK(threaded.null.equal(quick.null));
  CHECK(threaded.p_values == quick.p_values);
  CHECK(general.p_values == quick.p_values);
  CHECK(largest_difference(general.null, quick.null) < 1e-5);
  for (int j = 0; j < 3; ++j) {
    CAPTURE(j);
    // What is left after directions 0 .. j-1 were taken out begins with singular value j.
    CHECK(std::abs(quick.statistics[j] / found.singular_values[j].item<double>() - 1) < 1e-5);
    if (j > 0) CHECK(quick.p_values[j] >= quick.p_values[j - 1]);
  }
}

TEST_CASE("rows without scores are left out of every relabelling") {
  at::Tensor common = normal(1, {12, 40});
  Runs a = noisy_runs(7, 3, common, 0.5);
  Runs b = noisy_runs(8, 3, common, 0.5);
  for (Runs* side : {&a, &b}) {
    for (at::Tensor& run : *side) run[4].zero_();
  }
  const PermutationTest test = permutation_test(a, b, {}, {.permutations = 19});
  CHECK(at::isfinite(test.null).all().item<bool>());
  CHECK(test.statistics[0] > 0);
}

TEST_CASE("the observed labelling, drawn again, counts as reached") {
  const at::Tensor common = normal(1, {12, 40});
  const Runs a = noisy_runs(7, 2, common + normal(3, {12, 40}), 0.1);
  const Runs b = noisy_runs(8, 2, common, 0.1);
  // Two and two runs: 6 labellings, of which one is the observed.
  const PermutationTest test = permutation_test(a, b, {}, {.permutations = 5999});
  CHECK(test.p_values[0] >= 1.0 / 6 - 0.02);
}

TEST_CASE("paired runs are swapped within pairs only") {
  const at::Tensor common = normal(1, {12, 40});
  Runs a, b;
  for (int r = 0; r < 4; ++r) {
    // What a pair shares is large and must never be told apart from its partner's.
    const at::Tensor shared = common + 3 * normal(50 + r, {12, 40});
    a.push_back((shared + 0.1 * normal(70 + r, {12, 40})).to(at::kFloat));
    b.push_back((shared + 0.1 * normal(80 + r, {12, 40})).to(at::kFloat));
  }
  PermutationOptions options{.permutations = 50, .paired = true};
  const PermutationTest paired = permutation_test(a, b, {}, options);
  CHECK(paired.null.amax().item<double>() < 2 * paired.statistics[0]);
  options.paired = false;
  CHECK(permutation_test(a, b, {}, options).null.amax().item<double>() > 2 * paired.statistics[0]);
  options.paired = true;
  a.pop_back();
  CHECK_THROWS_WITH_AS(permutation_test(a, b, {}, options),
                       "runs cannot be paired: A has 3, B has 4", ShapeError);
}

TEST_CASE("too few runs, and runs of other shapes, are refused") {
  const Runs two = noisy_runs(1, 2, normal(1, {4, 5}), 1);
  const Runs one = noisy_runs(2, 1, normal(1, {4, 5}), 1);
  CHECK_THROWS_WITH_AS(permutation_test(one, two, {}, {}),
                       "a permutation test needs at least 2 runs a side, got 1 and 2", ShapeError);
  const Runs other = noisy_runs(2, 2, normal(1, {4, 6}), 1);
  CHECK_THROWS_WITH_AS(permutation_test(two, other, {}, {}),
                       "scores of run 2 are [4, 6] float32, those of the first run [4, 5] float32",
                       ShapeError);
}

TEST_CASE("199 relabellings of 10 and 10 runs of 300 x 1200 scores take seconds, not minutes") {
  constexpr double kSeconds = 60;  // about 1 on a quiet core; the rest is for busy machines
  const at::Tensor common = normal(1, {300, 1200});
  const Runs a = noisy_runs(4, 10, common, 1);
  const Runs b = noisy_runs(5, 10, common, 1);
  const auto begin = std::chrono::steady_clock::now();
  const PermutationTest test = permutation_test(a, b, {}, {});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  MESSAGE("took ", took.count(), " s");
  CHECK(test.null.size(1) == 199);
  CHECK(took.count() < kSeconds);
}
