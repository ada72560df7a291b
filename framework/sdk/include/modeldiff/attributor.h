#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "modeldiff/algorithm.h"
#include "modeldiff/core/plugin.h"
#include "modeldiff/dataset.h"
#include "modeldiff/measurement.h"
#include "modeldiff/model.h"

namespace modeldiff {

/// One training run to be attributed.
struct ScoreRunRequest {
  const DataFacts& facts;
  const Examples& train;
  const Examples& queries;
  Measurement measurement = Measurement::log_odds_margin;
  const Predictor& predictor;
  const Weights& weights;
  const std::vector<Checkpoint>& checkpoints;
  /// [k] int64, the rows that were trained on; undefined: all.
  at::Tensor subset;
  /// Of this attributor and run: differs between runs and algorithms.
  std::uint64_t seed = 0;
  /// A folder on the store's disk for what is larger than memory should be. Nothing may be left in it.
  std::filesystem::path scratch = {};
  Progress& progress;
};

/// Runs of one algorithm that were scored, in the order of their indices. They are read when asked
/// for: there may be more of them than memory holds.
class MODELDIFF_API ScoredRuns {
 public:
  virtual ~ScoredRuns();
  virtual std::int64_t size() const = 0;
  /// What score_run() left of a run.
  virtual TensorMap run(std::int64_t index) const = 0;
  /// Share of the training set that a run's subset was drawn with; 1: it had all examples.
  virtual double keep(std::int64_t index) const = 0;
  /// [count, n] bool, true = trained on, of runs first .. first + count - 1; undefined: every run had
  /// all examples.
  virtual at::Tensor masks(std::int64_t first, std::int64_t count) const = 0;
};

/// Runs that are there already.
class MODELDIFF_API RunsInMemory final : public ScoredRuns {
 public:
  /// Runs that had all examples.
  explicit RunsInMemory(std::vector<TensorMap> runs);
  /// @param masks [runs, n] bool
  /// @param keep  of each run
  RunsInMemory(std::vector<TensorMap> runs, at::Tensor masks, std::vector<double> keep);

  std::int64_t size() const override;
  TensorMap run(std::int64_t index) const override;
  double keep(std::int64_t index) const override;
  at::Tensor masks(std::int64_t first, std::int64_t count) const override;

 private:
  std::vector<TensorMap> runs_;
  at::Tensor masks_;
  std::vector<double> keep_;
};

struct CombineRequest {
  const ScoredRuns& runs;
  const Examples& train;
  const Examples& queries;
  /// Worker threads that may be used. The result does not depend on it.
  int threads = 1;
  Progress& progress;
};

struct Attribution {
  /// [queries, training examples] float32; higher = raises the measurement.
  at::Tensor scores;
  /// Noise of the scores, for the test of differences between algorithms, when the runs are
  /// subsets: `raw` [N, n] unregularised scores in mask units, `output_covariance` [N, N] over
  /// runs, `noise_scale` = 1 / (m keep (1 - keep)), m keep (1 - keep) summed over the shares that
  /// runs were drawn with.
  at::Tensor raw;
  at::Tensor output_covariance;
  double noise_scale = 0;
  /// What else is known of each query, [N] each: how good its scores are, for instance.
  TensorMap per_query;
  Json facts = Json::object();
};

/// Plugin kind `attributors`. Work is in two steps so that runs are scored side by side and kept:
/// score_run for each training run, then combine. Traits: "runs": "all" (default) or "subsets";
/// "checkpoints": the name of the parameter that counts checkpoints; "optimizer_state": true.
class MODELDIFF_API Attributor : public Plugin {
 public:
  ~Attributor() override;
  /// What combine needs of one run. A pure function of the request. Of subset runs, a tensor
  /// `measurements` [N] float32 is the run's answers on the queries: comparisons of pairs of runs and
  /// of halves of them regress it anew.
  virtual TensorMap score_run(const ScoreRunRequest& request) const = 0;
  virtual Attribution combine(const CombineRequest& request) const = 0;
  /// Whether combine's scores are the plain mean of every run's tensor "scores" [N, n]: then tests
  /// that relabel runs are far quicker.
  virtual bool combines_by_mean() const { return false; }
  /// Bytes of memory that score_run and combine need at their peaks beyond the data: the larger.
  virtual double memory_bytes(std::int64_t parameters, std::int64_t examples, std::int64_t queries,
                              std::int64_t runs) const = 0;
};

}  // namespace modeldiff
