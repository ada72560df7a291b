#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/left_out.h"
#include "analysis/retrained.h"
#include "analysis/scorecard.h"
#include "analysis/statistics.h"
#include "exhibits.h"
#include "modeldiff/core/random.h"
#include "modeldiff/evaluation.h"
#include "modeldiff/plugin.h"
#include "retrain_fidelity_params.h"

namespace modeldiff {
namespace {

/// What one run of one algorithm is on the data that matter.
struct Model {
  at::Tensor weights;         // [p] float64
  at::Tensor probabilities;   // [test, outputs] float64; of a regression the predictions
  double score = 0;           // accuracy; of a regression the root mean squared error
  at::Tensor forgotten_loss;  // [r]; undefined when nothing is deleted
  at::Tensor control_loss;    // [r], of test rows
};

/// Rows of the training set that are deleted, and as many of the test set.
struct Membership {
  Examples forgotten, control;
};

std::optional<Membership> membership_of(const EvaluationRequest& request, const TensorMap& left) {
  const auto removed = left.find("change.removed");
  if (removed == left.end()) return std::nullopt;
  const std::int64_t count = std::min(removed->second.numel(), request.test.size());
  RandomStream random(request.seed, "membership");
  const at::Tensor deleted = removed->second.to(at::kLong);
  const at::Tensor some =
      deleted.index_select(0, at::tensor(random.choose(deleted.numel(), count), at::kLong));
  const at::Tensor control = at::tensor(random.choose(request.test.size(), count), at::kLong);
  return Membership{request.train.select(some), request.test.select(control)};
}

/// Chance that a deleted row has a smaller loss than a test row: 1/2 where the model does not know
/// that it was trained on. @return the estimate and its bootstrap standard error
std::pair<double, double> membership_auc(const Model& model, std::int64_t draws,
                                         std::uint64_t seed) {
  const std::int64_t count = model.forgotten_loss.numel();
  const at::Tensor scores = -at::cat({model.forgotten_loss, model.control_loss});
  const at::Tensor is_member = at::arange(2 * count) < count;
  const double estimate = auroc(scores, is_member);
  std::vector<double> drawn;
  RandomStream random(seed, "bootstrap");
  const auto bound = static_cast<std::uint64_t>(count);
  for (std::int64_t d = 0; d < draws; ++d) {
    std::vector<std::int64_t> rows(static_cast<std::size_t>(2 * count));
    for (std::int64_t i = 0; i < 2 * count; ++i)
      rows[static_cast<std::size_t>(i)] =
          static_cast<std::int64_t>(random.below(bound)) + (i < count ? 0 : count);
    drawn.push_back(auroc(scores.index_select(0, at::tensor(rows, at::kLong)), is_member));
  }
  return {estimate, std::sqrt(sample_variance(drawn))};
}

/// "0.45 %", or above 1 "32 times".
std::string share_text(double share) {
  return share <= 1 ? fmt::format("{:.2g} %", 100 * share) : fmt::format("{:.2g} times", share);
}

using retrain_fidelity::AllMeasures;
using retrain_fidelity::StreamErrors;

/// How near rapidly retrained models are to retrained ones.
class RetrainFidelity final : public Evaluation {
 public:
  explicit RetrainFidelity(RetrainFidelityParams params) : params_(std::move(params)) {}

  EvaluationResult evaluate(const EvaluationRequest& request) const override {
    AllMeasures measures;
    StreamErrors streams;
    for (std::int64_t run = 0; run < params_.runs; ++run) {
      request.progress.check_stop();
      measure_run(request, static_cast<std::size_t>(run), measures);
      measure_stream(request, static_cast<std::size_t>(run), streams);
    }
    return told(request, measures, streams);
  }

 private:
  void measure_run(const EvaluationRequest& request, std::size_t run, AllMeasures& measures) const {
    const TensorMap left = request.runs.at(params_.truth.name).tensors(run);
    const std::optional<Membership> membership = membership_of(request, left);
    std::map<std::string, Model> models;
    for (const auto& [name, runs] : request.runs)
      models.emplace(name, look_at(request, runs, run, membership));
    const Model &before = models.at(params_.before.name), &truth = models.at(params_.truth.name);
    const double moved = (before.weights - truth.weights).norm().item<double>();
    const double norm = truth.weights.norm().item<double>();
    for (const auto& [name, runs] : request.runs) {
      const Model& model = models.at(name);
      Measures& out = measures[name];
      const auto add = [&](const char* what, double value) { out[what].push_back(value); };
      if (same_space(runs, request.runs.at(params_.truth.name))) {
        const double distance = (model.weights - truth.weights).norm().item<double>();
        add("distance", distance);
        add("relative_distance", moved > 0 ? distance / moved : kNaN);
        add("distance_by_norm", distance / norm);
      }
      add("score", model.score);
      add("score_gap", model.score - truth.score);
      if (request.facts.task == Task::classification) {
        add("agreement", model.probabilities.argmax(1)
                             .eq(truth.probabilities.argmax(1))
                             .to(at::kDouble)
                             .mean()
                             .item<double>());
        add("prediction_distance",
            0.5 * (model.probabilities - truth.probabilities).abs().sum(1).mean().item<double>());
      } else {
        add("prediction_distance",
            std::sqrt((model.probabilities - truth.probabilities).square().mean().item<double>()));
      }
      if (membership) {
        add("forgotten_loss", model.forgotten_loss.mean().item<double>());
        const auto [auc, error] = membership_auc(model, params_.bootstrap, request.seed + run);
        add("membership_auc", auc);
        add("membership_auc_error", error);
      }
      add_work(runs.facts(run), out);
    }
  }

  Model look_at(const EvaluationRequest& request, const RunSet& runs, std::size_t run,
                const std::optional<Membership>& membership) const {
    const bool classes = request.facts.task == Task::classification;
    const Weights weights = runs.weights(run);
    const auto outputs_of = [&](const Examples& examples) {
      return runs.predictor.outputs(weights, examples.inputs).to(at::kDouble);
    };
    const at::Tensor outputs = outputs_of(request.test);
    Model out;
    out.weights = weights.parameters.to(at::kDouble);
    out.probabilities = classes ? outputs.softmax(1) : outputs;
    out.score = test_score(outputs, request.test.targets, request.facts.task);
    if (membership) {
      const auto loss = [&](const Examples& examples) {
        return row_losses(outputs_of(examples), examples.targets, request.facts.task);
      };
      out.forgotten_loss = loss(membership->forgotten);
      out.control_loss = loss(membership->control);
    }
    return out;
  }

  /// The error after each request, where the runs answered one after the other.
  void measure_stream(const EvaluationRequest& request, std::size_t run,
                      StreamErrors& errors) const {
    const auto weights_of = [&](const RunSet& runs) {
      const TensorMap left = runs.tensors(run);
      const auto found = left.find("stream.weights");
      return found == left.end() ? at::Tensor() : found->second.to(at::kDouble);
    };
    const RunSet& truth_runs = request.runs.at(params_.truth.name);
    const at::Tensor truth = weights_of(truth_runs);
    if (!truth.defined()) return;
    const at::Tensor before =
        request.runs.at(params_.before.name).weights(run).parameters.to(at::kDouble);
    const at::Tensor moved = (before - truth).norm(2, 1);
    for (const auto& [name, runs] : request.runs) {
      if (name == params_.truth.name || !same_space(runs, truth_runs)) continue;
      const at::Tensor weights = weights_of(runs);
      if (!weights.defined() || weights.sizes() != truth.sizes()) continue;
      const at::Tensor shares = ((weights - truth).norm(2, 1) / moved).contiguous();
      std::vector<double>& out = errors[name];
      out.resize(static_cast<std::size_t>(shares.numel()));
      for (std::size_t i = 0; i < out.size(); ++i)
        out[i] += shares.const_data_ptr<double>()[i] / static_cast<double>(params_.runs);
    }
  }

  EvaluationResult told(const EvaluationRequest& request, const AllMeasures& measures,
                        const StreamErrors& streams) const {
    EvaluationResult out;
    const std::vector<std::pair<std::string, std::string>> columns{
        {"relative_distance", "distance / moved"},
        {"score", request.facts.task == Task::classification ? "test accuracy" : "test RMSE"},
        {"agreement", "agreement"},
        {"prediction_distance", request.facts.task == Task::classification
                                    ? "total variation"
                                    : "root mean squared difference"},
        {"membership_auc", "membership AUC"},
        {"exact_steps", "exact steps"},
        {"fallbacks", "fall-backs"},
        {"work_share", "gradients, share of retraining"}};
    Json names{"algorithm"}, rows = Json::array();
    for (const auto& [key, title] : columns) names.push_back(title);
    for (const char* title : {"seconds", "times faster", "... with loading the trajectory"})
      names.push_back(title);
    const RunSet& truth = request.runs.at(params_.truth.name);
    std::vector<std::string> sentences, scores;
    for (const auto& [name, values] : measures) {
      Json row{name};
      for (const auto& [what, by_run] : values)
        out.values[name][what] = summary_of(by_run, params_.confidence);
      for (const auto& [key, title] : columns) {
        const auto at = values.find(key);
        row.push_back(at == values.end() ? Json(nullptr) : Json(mean(at->second)));
      }
      const Json times = times_of(request.runs.at(name), truth);
      out.values[name].update(times);
      for (const char* key : {"seconds", "times_faster", "times_faster_with_loading"})
        row.push_back(name == params_.before.name ? Json(nullptr) : times.at(key));
      if (const auto stream = streams.find(name); stream != streams.end())
        out.values[name]["stream_error"] = stream->second;
      rows.push_back(row);
      if (name == params_.before.name || name == params_.truth.name) continue;
      if (const auto distance = values.find("relative_distance"); distance != values.end())
        sentences.push_back(name + " " + share_text(mean(distance->second)));
      scores.push_back(fmt::format("{} {:.4f}", name, mean(values.at("score"))));
    }
    out.summary = fmt::format(
        "{} (mean of {} run{}): {}.",
        sentences.empty() ? "No model has a distance to the retrained weights; " + columns[1].second
                          : "Distance to the retrained weights, as a share of how far retraining "
                            "moved them",
        params_.runs, params_.runs == 1 ? "" : "s",
        fmt::join(sentences.empty() ? scores : sentences, ", "));
    out.exhibits.push_back(
        {"table", "Retrained and rapidly retrained models", {{"columns", names}, {"rows", rows}}});
    const auto append = [&](std::vector<Exhibit> more) {
      std::move(more.begin(), more.end(), std::back_inserter(out.exhibits));
    };
    append(retrain_fidelity::fidelity_against_work(measures));
    append({retrain_fidelity::fidelity_against_time(measures, request.runs, params_.before.name)});
    append(retrain_fidelity::stream_errors(streams));
    return out;
  }

  RetrainFidelityParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("evaluations", "retrain_fidelity", "1.0",
                 "How near rapidly retrained models are to retrained ones", RetrainFidelity,
                 RetrainFidelityParams,
                 R"({"needs": ["runs"], "inputs": "sparse", "run_count": "runs"})");

}  // namespace modeldiff
