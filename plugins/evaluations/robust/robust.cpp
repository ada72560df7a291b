#include <ATen/ATen.h>
#include <fmt/format.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "analysis/retrained.h"
#include "analysis/statistics.h"
#include "modeldiff/core/error.h"
#include "modeldiff/evaluation.h"
#include "modeldiff/plugin.h"
#include "robust_params.h"
#include "training/wrappers.h"

namespace modeldiff {
namespace {

double score_of(const EvaluationRequest& request, const RunSet& runs, std::size_t run) {
  return test_score(runs.predictor.outputs(runs.weights(run), request.test.inputs),
                    request.test.targets, request.facts.task);
}

/// Learning from data of which some rows are wrong: train, remove the rows with the largest loss,
/// retrain, and again.
class Robust final : public Evaluation {
 public:
  explicit Robust(RobustParams params) : params_(std::move(params)) {
    if (!params_.truth.empty() && params_.truth.size() != params_.rounds.size()) {
      throw ConfigError("truth", fmt::format("has {} entries, and `rounds` has {}: one is needed "
                                             "for each round, or none at all",
                                             params_.truth.size(), params_.rounds.size()));
    }
  }

  EvaluationResult evaluate(const EvaluationRequest& request) const override {
    const at::Tensor wrong = relabelled_rows(request.facts, request.train);
    Measures before;
    std::vector<Measures> rounds(params_.rounds.size()), truth(params_.truth.size());
    for (std::int64_t r = 0; r < params_.runs; ++r) {
      request.progress.check_stop();
      const auto run = static_cast<std::size_t>(r);
      before["score"].push_back(score_of(request, request.runs.at(params_.before.name), run));
      follow(request, params_.rounds, run, wrong, rounds);
      follow(request, params_.truth, run, wrong, truth);
    }
    return told(request, before, rounds, truth);
  }

 private:
  /// Goes through the rounds of one run, counting what is removed.
  /// @param wrong [n] bool; undefined where no label is known to be wrong
  static void follow(const EvaluationRequest& request, const std::vector<Reference>& algorithms,
                     std::size_t run, const at::Tensor& wrong, std::vector<Measures>& out) {
    std::set<std::int64_t> removed;
    for (std::size_t round = 0; round < algorithms.size(); ++round) {
      const RunSet& runs = request.runs.at(algorithms[round].name);
      out[round]["score"].push_back(score_of(request, runs, run));
      const TensorMap left = runs.tensors(run);
      if (const auto rows = left.find("change.removed"); rows != left.end()) {
        const at::Tensor list = rows->second.to(at::kLong).contiguous();
        removed.insert(list.const_data_ptr<std::int64_t>(),
                       list.const_data_ptr<std::int64_t>() + list.numel());
      }
      out[round]["removed"].push_back(static_cast<double>(removed.size()));
      if (wrong.defined()) add_found(removed, wrong, out[round]);
    }
  }

  static void add_found(const std::set<std::int64_t>& removed, const at::Tensor& wrong,
                        Measures& out) {
    double found = 0;
    for (const std::int64_t row : removed) found += wrong[row].item<bool>() ? 1 : 0;
    const double all = wrong.sum().item<double>();
    out["precision"].push_back(removed.empty() ? 0 : found / static_cast<double>(removed.size()));
    out["recall"].push_back(found / all);
  }

  EvaluationResult told(const EvaluationRequest& request, const Measures& before,
                        const std::vector<Measures>& rounds,
                        const std::vector<Measures>& truth) const {
    const bool classes = request.facts.task == Task::classification;
    const char* score = classes ? "test accuracy" : "test RMSE";
    const double first = mean(before.at("score"));
    EvaluationResult out;
    out.values["before"]["score"] = summary_of(before.at("score"), params_.confidence);
    Json columns{"round", score};
    if (!truth.empty()) columns.push_back(fmt::format("{}, retrained", score));
    for (const char* title : {"rows removed", "of them wrong", "share of the wrong ones"})
      columns.push_back(title);
    Json rows = Json::array({Json::array({"before", first})});
    while (rows[0].size() < columns.size()) rows[0].push_back(nullptr);
    Json x{0}, approximate{first}, exact{first};
    for (std::size_t i = 0; i < rounds.size(); ++i) {
      const auto mean_of = [](const Measures& measures, const char* name) {
        const auto at = measures.find(name);
        return at == measures.end() ? Json() : Json(mean(at->second));
      };
      Json row{params_.rounds[i].name, mean_of(rounds[i], "score")};
      if (!truth.empty()) row.push_back(mean_of(truth[i], "score"));
      for (const char* name : {"removed", "precision", "recall"})
        row.push_back(mean_of(rounds[i], name));
      rows.push_back(row);
      for (const auto& [name, values] : rounds[i])
        out.values[params_.rounds[i].name][name] = summary_of(values, params_.confidence);
      x.push_back(i + 1);
      approximate.push_back(mean_of(rounds[i], "score"));
      if (truth.empty()) continue;
      exact.push_back(mean_of(truth[i], "score"));
      for (const auto& [name, values] : truth[i])
        out.values[params_.truth[i].name][name] = summary_of(values, params_.confidence);
      std::vector<double> gap;
      for (std::size_t r = 0; r < rounds[i].at("score").size(); ++r)
        gap.push_back(rounds[i].at("score")[r] - truth[i].at("score")[r]);
      out.values[params_.rounds[i].name]["score_gap"] = summary_of(gap, params_.confidence);
    }
    const std::string of_exact =
        truth.empty() ? "" : fmt::format(" ({:.4f} retrained)", mean(truth.back().at("score")));
    out.summary = fmt::format(
        "Removing the {:.0f} rows of the largest loss in {} round{} takes the {} from {:.4f} to "
        "{:.4f}{}, mean of {} run{}.",
        mean(rounds.back().at("removed")), rounds.size(), rounds.size() == 1 ? "" : "s", score,
        first, mean(rounds.back().at("score")), of_exact, params_.runs,
        params_.runs == 1 ? "" : "s");
    out.exhibits.push_back(
        {"table", "Rounds of removal and retraining", {{"columns", columns}, {"rows", rows}}});
    Json series = Json::array({line("rapidly retrained", approximate)});
    if (!truth.empty()) series.push_back(line("retrained", exact));
    out.exhibits.push_back({"lines",
                            fmt::format("{} over the rounds", score),
                            {{"x", x}, {"series", series}, {"x_label", "round"}}});
    return out;
  }

  static Json line(const char* name, const Json& y) { return {{"name", name}, {"y", y}}; }

  RobustParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("evaluations", "robust", "1.0",
                 "Rounds of removing the rows of the largest loss and retraining", Robust,
                 RobustParams, R"({"needs": ["runs"], "inputs": "sparse", "run_count": "runs"})");

}  // namespace modeldiff
