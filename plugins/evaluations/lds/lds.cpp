#include "analysis/lds.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>

#include "analysis/json.h"
#include "lds_params.h"
#include "modeldiff/evaluation.h"
#include "modeldiff/plugin.h"

namespace modeldiff {
namespace {

/// Below this an attributor says little about what training does.
constexpr double kLow = 0.15;

/// Linear datamodeling score of each algorithm's scores (Park et al. 2023, TRAK, Sec. 4.1), with
/// its reliability and ceiling.
class Lds final : public Evaluation {
 public:
  explicit Lds(LdsParams params) : params_(params) {}

  EvaluationResult evaluate(const EvaluationRequest& request) const override {
    EvaluationResult out;
    Json labels = Json::array(), values = Json::array(), lower = Json::array(),
         upper = Json::array(), rows = Json::array();
    for (const auto& [name, scores] : request.scores) {
      const SubsetRuns& truth = request.subset_runs.at(name);
      const LdsResult lds = linear_datamodeling_score(
          scores, truth.masks, truth.measurements,
          {.confidence = params_.confidence, .draws = params_.draws, .seed = request.seed});
      const double value = lds.over_queries.estimate;
      out.values[name] = {{"lds", to_json(lds.over_queries)},
                          {"over_subsets_too", to_json(lds.over_queries_and_subsets)},
                          {"reliability", lds.reliability},
                          {"ceiling", lds.ceiling},
                          {"of_ceiling", lds.of_ceiling},
                          {"constant_scores", lds.constant_scores},
                          {"constant_measurements", lds.constant_measurements},
                          {"low", value < kLow}};
      out.tensors.emplace(name + ".per_query", lds.per_query);
      labels.push_back(name);
      values.push_back(value);
      lower.push_back(lds.over_queries.lower);
      upper.push_back(lds.over_queries.upper);
      rows.push_back({name, value, lds.reliability, lds.ceiling, lds.of_ceiling});
      out.summary += fmt::format(
          "{}LDS of {}: {:.3f} [{:.3f}, {:.3f}]{}{}.", out.summary.empty() ? "" : " ", name, value,
          lds.over_queries.lower, lds.over_queries.upper,
          std::isfinite(lds.ceiling) ? fmt::format(", ceiling {:.2f}", lds.ceiling) : "",
          value < kLow ? " (low: the scores predict little of what training on subsets does)" : "");
    }
    out.exhibits.push_back(
        {"bars",
         fmt::format("LDS, {} subsets of {:g} x {} replicates", params_.subsets, params_.keep,
                     params_.replicates),
         {{"labels", labels}, {"values", values}, {"lower", lower}, {"upper", upper}}});
    out.exhibits.push_back(
        {"table",
         "Beside what perfect scores could get",
         {{"columns", {"algorithm", "LDS", "reliability", "ceiling", "LDS / ceiling"}},
          {"rows", rows}}});
    return out;
  }

 private:
  LdsParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("evaluations", "lds", "1.0",
                 "Linear datamodeling score against retraining on subsets", Lds, LdsParams,
                 R"({"needs": ["scores", "subset_runs"]})");

}  // namespace modeldiff
