#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

/// Is there a difference at all? If A and B were the same algorithm, their runs could be exchanged,
/// so the size of the first direction is compared with what it becomes when the runs are dealt to A
/// and B at random.
namespace modeldiff {

struct PermutationOptions {
  /// P >= 1; the smallest possible p-value is 1 / (P + 1).
  std::int64_t permutations = 199;
  std::uint64_t seed = 0;
  /// Run r of A and run r of B share a seed: pairs are swapped instead of runs dealt. Needs as many
  /// runs on both sides.
  bool paired = false;
  /// The result does not depend on it.
  int threads = 1;
};

struct PermutationTest {
  /// One for each direction, ascending: (1 + #{null >= statistic}) / (P + 1), and never below that
  /// of the direction before.
  std::vector<double> p_values;
  /// First singular value of the column-centred residual R(A\B), after the directions before were
  /// taken out.
  std::vector<double> statistics;
  /// [directions, P] float64: the same of the relabelled runs.
  at::Tensor null;
};

/// Scores [N, n] of one side that has these runs. Runs of A are numbered 0 .. runs_a - 1, those of
/// B follow.
using CombineRuns = std::function<at::Tensor(std::span<const int> runs)>;

/// Exact when the runs of A and B are exchangeable under the null hypothesis, whatever their
/// distribution.
/// @param directions [J, n] unit rows in the order found (DirectionSet::examples): test j is made
///                   on residuals from which rows 0 .. j - 1 were taken out. Undefined: only the
///                   first direction is tested.
/// @param combine    called by one thread at a time
/// @throws ShapeError for fewer than 2 runs a side or runs that cannot be paired
PermutationTest permutation_test(const CombineRuns& combine, int runs_a, int runs_b,
                                 const at::Tensor& directions, const PermutationOptions& options);

/// The same for scores that are plain means over runs; far quicker, as inner products of runs are
/// shared by all relabellings.
/// @param a, b one [N, n] float32 matrix a run
PermutationTest permutation_test(std::span<const at::Tensor> a, std::span<const at::Tensor> b,
                                 const at::Tensor& directions, const PermutationOptions& options);

/// The same for the distance |mean over A's runs - mean over B's|, of anything of which only the
/// inner products are known.
/// @param gram [runs, runs] float64, those of A first
/// @throws ShapeError as above, and for a matrix that is not square
PermutationTest distance_test(const at::Tensor& gram, int runs_a, const PermutationOptions& options);

/// (1 + #{null >= statistic}) / (count + 1); equal up to a relative 1e-5 counts as reached, for
/// rounding.
double rank_p_value(double statistic, std::span<const double> null);

/// First singular value of matrix [N, n] after subtracting column means, to about 1e-6 (Lanczos).
double first_centred_singular_value(const at::Tensor& matrix);

}  // namespace modeldiff
