#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
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
  std::filesystem::path scratch;
  Progress& progress;
};

/// Every run of one algorithm, in the order of their indices.
struct CombineRequest {
  std::span<const TensorMap> runs;
  /// [runs, n] bool, true = trained on; undefined: every run had all examples.
  at::Tensor masks;
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
  /// runs, `noise_scale` = 1 / (m keep (1 - keep)).
  at::Tensor raw;
  at::Tensor output_covariance;
  double noise_scale = 0;
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
  /// Bytes of memory that score_run needs at its peak beyond the data.
  virtual double memory_bytes(std::int64_t parameters, std::int64_t examples,
                              std::int64_t queries) const = 0;
};

}  // namespace modeldiff
