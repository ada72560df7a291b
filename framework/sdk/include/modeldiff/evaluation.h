#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "modeldiff/algorithm.h"
#include "modeldiff/core/plugin.h"
#include "modeldiff/dataset.h"
#include "modeldiff/measurement.h"

namespace modeldiff {

/// Runs of one algorithm that the experiment made, weights loaded when asked for.
struct RunSet {
  Predictor predictor;
  std::vector<std::string> keys;  // artifacts
  std::function<Weights(std::size_t run)> weights;
  /// What a run's algorithm said of it, and left behind.
  std::function<Json(std::size_t run)> facts;
  std::function<TensorMap(std::size_t run)> tensors;
};

/// Subset runs of one algorithm, with what they answer on the queries.
struct SubsetRuns {
  at::Tensor masks;         // [subsets, n] bool, true = trained on
  at::Tensor measurements;  // [subsets, replicates, N] float32
};

struct EvaluationRequest {
  const DataFacts& facts;
  const Examples& train;
  const Examples& test;
  const Examples& queries;
  Measurement measurement = Measurement::log_odds_margin;
  /// By algorithm.
  const std::map<std::string, RunSet>& runs;
  const std::map<std::string, at::Tensor>& scores;  // [N, n], one attributor's
  const std::map<std::string, SubsetRuns>& subset_runs;
  /// The stages' results as result.json holds them, null where the experiment has no such stage,
  /// and their tensors.
  const Json& compare;
  const TensorMap& compare_tensors;
  const Json& verify;
  const TensorMap& verify_tensors;
  std::uint64_t seed = 0;
  Progress& progress;
};

/// A table or figure of the report.
struct Exhibit {
  /// "table": {columns: [...], rows: [[...]]}. "bars": {labels, values, lower, upper, unit}.
  /// "lines": {x, series:
  /// [{name, y, lower, upper}], x_label, y_label}. "scatter": {x, y, labels, x_label, y_label}.
  /// "heatmap": {rows, columns, values}.
  std::string kind;
  std::string title;
  Json content;
};

struct EvaluationResult {
  /// What `expect:` and result.json see, under evaluate.NAME.
  Json values = Json::object();
  /// One sentence for a person.
  std::string summary;
  std::vector<Exhibit> exhibits;
  TensorMap tensors;
};

/// Plugin kind `evaluations`: what is measured about models, scores, retrained or edited models.
/// Traits: "needs": any of "runs", "scores", "compare", "verify", "subset_runs" (then the
/// parameters `subsets`, `replicates`, `keep` say which).
class MODELDIFF_API Evaluation : public Plugin {
 public:
  ~Evaluation() override;
  virtual EvaluationResult evaluate(const EvaluationRequest& request) const = 0;
};

}  // namespace modeldiff
