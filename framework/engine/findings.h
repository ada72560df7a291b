#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "analysis/directions.h"
#include "analysis/subset_residuals.h"
#include "engine/stages.h"
#include "modeldiff/attributor.h"
#include "planning/sections.h"

/// What one algorithm's use of the training examples has that another's has not, and whether that
/// is a difference at all.
namespace modeldiff {

/// Scores of one algorithm, as combined and run by run.
struct Side {
  std::string name;
  at::Tensor scores;                 // [N, n]
  std::shared_ptr<ScoredRuns> runs;  // what combine() takes
  std::optional<NoisyScores> noisy;  // when the runs are subsets
  ScoresOfHalves halves;             // of a cross-fit
};

/// Is there a difference at all? One p-value for each direction.
struct DifferenceTest {
  std::vector<double> p_values;
  double statistic = 0;
  std::vector<double> null;
  std::string method;
};

struct Finding {
  DirectionSet directions;
  /// [J], of direction_stability()
  at::Tensor stability;
  /// [N'] int64, the queries that have a row in `directions.queries`.
  at::Tensor kept;
  DifferenceTest test;
};

/// Finds and tests directions as the section `compare` says.
class Comparison {
 public:
  /// @param config of the comparison cell; @param seed of all draws
  Comparison(const Json& config, const Attributor& attributor, const Examples& train,
             const Examples& queries, std::uint64_t seed, Progress& progress);

  /// @param input name of the attribution in the cell's inputs
  Side read_side(Workspace& workspace, const Cell& cell, const std::string& input,
                 std::string name) const;

  /// What `of` uses that `against` does not.
  /// @param count  directions, or as many as there are
  /// @param paired runs of the same number share their seed
  /// @param role   names the draws
  Finding find(const Side& of, const Side& against, std::int64_t count, bool paired,
               const std::string& role) const;

 private:
  Finding find_in_unit_rows(const Side& of, const Side& against, std::int64_t count, bool paired,
                            const std::string& role) const;
  Finding find_in_subset_residual(const Side& of, const Side& against, std::int64_t count,
                                  bool paired, const std::string& role) const;
  DifferenceTest permute_runs(const Side& of, const Side& against, const at::Tensor& directions,
                              bool paired, std::uint64_t seed) const;
  SubsetSides subset_sides(const Side& of, const Side& against, bool paired) const;
  ScoresOfHalves scores_of_halves(const ScoredRuns& runs) const;
  ResidualKind residual_kind() const;
  std::int64_t number(const char* key) const { return config_.at(key).get<std::int64_t>(); }

  const Json& config_;
  const Attributor& attributor_;
  const Examples& train_;
  const Examples& queries_;
  std::uint64_t seed_;
  Progress& progress_;
};

}  // namespace modeldiff
