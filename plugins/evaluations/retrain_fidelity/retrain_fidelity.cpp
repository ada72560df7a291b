#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/scorecard.h"
#include "analysis/statistics.h"
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

/// Losses of rows: cross-entropy in nats, or half the squared error.
at::Tensor losses(const at::Tensor& outputs, const at::Tensor& targets, bool classes) {
  if (classes) return at::cross_entropy_loss(outputs, targets, {}, at::Reduction::None);
  return 0.5 * (outputs - targets.reshape_as(outputs)).square().sum(1);
}

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

/// Whether weights have a distance: those of an ensemble of shards are no point beside one model's.
bool same_space(const RunSet& a, const RunSet& b) {
  const auto &of_a = a.predictor.model->parameters().entries(),
             &of_b = b.predictor.model->parameters().entries();
  return std::equal(
      of_a.begin(), of_a.end(), of_b.begin(), of_b.end(),
      [](const auto& x, const auto& y) { return x.name == y.name && x.shape == y.shape; });
}

/// What is told of an algorithm, one value a run.
using Measures = std::map<std::string, std::vector<double>>;

Json summary_of(const std::vector<double>& values, double confidence) {
  Json out{{"estimate", mean(values)},
           {"least", *std::min_element(values.begin(), values.end())},
           {"most", *std::max_element(values.begin(), values.end())},
           {"n", values.size()},
           {"lower", nullptr},
           {"upper", nullptr}};
  if (values.size() > 1) {
    const Interval interval = t_interval(values, confidence);
    out["lower"] = interval.lower;
    out["upper"] = interval.upper;
  }
  return out;
}

/// How near rapidly retrained models are to retrained ones.
class RetrainFidelity final : public Evaluation {
 public:
  explicit RetrainFidelity(RetrainFidelityParams params) : params_(std::move(params)) {}

  EvaluationResult evaluate(const EvaluationRequest& request) const override {
    std::map<std::string, Measures> measures;
    for (std::int64_t run = 0; run < params_.runs; ++run) {
      request.progress.check_stop();
      measure_run(request, static_cast<std::size_t>(run), measures);
    }
    return told(request, measures);
  }

 private:
  void measure_run(const EvaluationRequest& request, std::size_t run,
                   std::map<std::string, Measures>& measures) const {
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
        add("total_variation",
            0.5 * (model.probabilities - truth.probabilities).abs().sum(1).mean().item<double>());
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
    out.score =
        classes ? outputs.argmax(1).eq(request.test.targets).to(at::kDouble).mean().item<double>()
                : std::sqrt((outputs - request.test.targets.reshape_as(outputs))
                                .square()
                                .mean()
                                .item<double>());
    if (membership) {
      const auto loss = [&](const Examples& examples) {
        return losses(outputs_of(examples), examples.targets, classes);
      };
      out.forgotten_loss = loss(membership->forgotten);
      out.control_loss = loss(membership->control);
    }
    return out;
  }

  /// What a rapid retrainer says of its own steps.
  static void add_work(const Json& facts, Measures& out) {
    const auto found = facts.find("work");
    if (found == facts.end()) return;
    for (const auto& [name, value] : found->items())
      if (value.is_number()) out[name].push_back(value.get<double>());
  }

  EvaluationResult told(const EvaluationRequest& request,
                        const std::map<std::string, Measures>& measures) const {
    EvaluationResult out;
    const std::vector<std::pair<std::string, std::string>> columns{
        {"relative_distance", "distance / moved"},
        {"score", request.facts.task == Task::classification ? "test accuracy" : "test RMSE"},
        {"agreement", "agreement"},
        {"total_variation", "total variation"},
        {"membership_auc", "membership AUC"},
        {"exact_steps", "exact steps"},
        {"fallbacks", "fall-backs"},
        {"work_share", "gradients, share of retraining"}};
    Json names{"algorithm"}, rows = Json::array();
    for (const auto& [key, title] : columns) names.push_back(title);
    std::vector<std::string> sentences, scores;
    for (const auto& [name, values] : measures) {
      Json row{name};
      for (const auto& [what, by_run] : values)
        out.values[name][what] = summary_of(by_run, params_.confidence);
      for (const auto& [key, title] : columns) {
        const auto at = values.find(key);
        row.push_back(at == values.end() ? Json(nullptr) : Json(mean(at->second)));
      }
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
    if (Json content = work_against_distance(measures); !content.at("x").empty())
      out.exhibits.push_back({"scatter", "Fidelity against work", std::move(content)});
    return out;
  }

  static Json work_against_distance(const std::map<std::string, Measures>& measures) {
    Json x = Json::array(), y = Json::array(), labels = Json::array();
    for (const auto& [name, values] : measures) {
      const auto work = values.find("work_share"), distance = values.find("relative_distance");
      if (work == values.end() || distance == values.end() || !(mean(distance->second) > 0))
        continue;
      x.push_back(mean(work->second));
      y.push_back(std::log10(mean(distance->second)));
      labels.push_back(name);
    }
    return {{"x", x},
            {"y", y},
            {"labels", labels},
            {"x_label", "gradients computed, share of retraining"},
            {"y_label", "log10 of (distance to the retrained weights / moved)"}};
  }

  RetrainFidelityParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("evaluations", "retrain_fidelity", "1.0",
                 "How near rapidly retrained models are to retrained ones", RetrainFidelity,
                 RetrainFidelityParams, R"({"needs": ["runs"], "run_count": "runs"})");

}  // namespace modeldiff
