#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "analysis/json.h"
#include "analysis/retrained.h"
#include "analysis/statistics.h"
#include "approximate_deletion_params.h"
#include "bounds.h"
#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"
#include "modeldiff/descent.h"
#include "modeldiff/evaluation.h"
#include "modeldiff/plugin.h"
#include "noise.h"

namespace modeldiff {
namespace {

using namespace approximate_deletion;

constexpr const char* kEmpirical = "empirical, not certified";
constexpr const char* kCertified = "certified relative to the optimum on the remaining data";

using Rows = std::vector<std::int32_t>;

/// Rows that a run left under a name, or none.
Rows left_rows(const TensorMap& left, const char* name) {
  const auto found = left.find(name);
  if (found == left.end()) return {};
  const at::Tensor rows = found->second.to(at::kInt).contiguous();
  return {rows.const_data_ptr<std::int32_t>(), rows.const_data_ptr<std::int32_t>() + rows.numel()};
}

/// One algorithm whose weights are published, by run.
struct Candidate {
  std::string name;
  Predictor predictor;
  std::vector<at::Tensor> weights;  // [p] float64
  std::vector<at::Tensor> buffers;  // as Weights hold them, published as they are
  std::vector<double> distances;    // |w_I - w_U|
};

/// What comes of it.
struct Judged {
  double d0 = 0, deviation = 0;
  double noise_by_norm = 0;        // root mean square of |noise| over |w|
  std::size_t first_attacked = 0;  // runs that d0 was not taken from
  EmpiricalBound check;
  std::vector<double> plain, noisy, attack;  // by run
};

/// Publishes rapidly retrained weights with noise, so that they cannot be told from retrained ones
/// with the same noise, and asks what the noise costs and what an attacker can tell all the same.
class ApproximateDeletion final : public Evaluation {
 public:
  explicit ApproximateDeletion(ApproximateDeletionParams params) : params_(std::move(params)) {
    std::vector<Diagnostic> found;
    const auto add = [&](const char* path, std::string message) {
      Diagnostic& one = found.emplace_back();
      one.path = path;
      one.message = std::move(message);
    };
    if (params_.mechanism == NoiseKind::gaussian && params_.epsilon > 1)
      add("epsilon", fmt::format("is {}: the deviation of Gaussian noise is known for at most 1; "
                                 "lower it, or take `mechanism: laplace`",
                                 params_.epsilon));
    if (!certified() && params_.runs < params_.fewest_runs)
      add("runs", fmt::format("are {}: an empirical bound wants {} deletions at least, half to "
                              "find it and half to check it",
                              params_.runs, params_.fewest_runs));
    if (!found.empty()) throw ConfigError(std::move(found));
    noise_ = {params_.mechanism, params_.epsilon,
              params_.mechanism == NoiseKind::laplace ? 0 : params_.delta};
  }

  EvaluationResult evaluate(const EvaluationRequest& request) const override {
    const std::vector<Candidate> candidates = candidates_of(request);
    std::map<std::string, std::vector<double>> bounds;
    if (certified()) bounds = certificates(request, candidates);
    std::map<std::string, Judged> judged;
    for (const Candidate& one : candidates) {
      Judged& out = judged[one.name];
      set_bound(one, bounds, out);
      for (std::size_t run = 0; run < one.weights.size(); ++run) {
        request.progress.check_stop();
        publish(request, one, run, out);
      }
    }
    return told(request, candidates, judged);
  }

 private:
  bool certified() const { return params_.bound == DistanceBound::certified; }
  std::size_t runs() const { return static_cast<std::size_t>(params_.runs); }
  /// The run of `before` that run i starts from.
  std::size_t before_of(std::size_t run) const {
    return params_.before_run ? static_cast<std::size_t>(*params_.before_run) : run;
  }

  /// All algorithms whose weights are of the truth's space: the others, such as ensembles, have no
  /// distance to it.
  std::vector<Candidate> candidates_of(const EvaluationRequest& request) const {
    const RunSet& truth = request.runs.at(params_.truth.name);
    std::vector<Candidate> out;
    for (const auto& [name, set] : request.runs) {
      const bool is_before = name == params_.before.name;
      if (!same_space(set, truth)) continue;
      Candidate& one = out.emplace_back(Candidate{name, set.predictor, {}, {}, {}});
      for (std::size_t run = 0; run < runs(); ++run) {
        if (!is_before) require_same_rows(name, set.tensors(run), truth.tensors(run), run);
        const Weights weights = set.weights(is_before ? before_of(run) : run);
        one.weights.push_back(weights.parameters.to(at::kDouble));
        one.buffers.push_back(weights.buffers);
        const at::Tensor retrained = truth.weights(run).parameters.to(at::kDouble);
        one.distances.push_back((one.weights.back() - retrained).norm().item<double>());
      }
    }
    return out;
  }

  void require_same_rows(const std::string& name, const TensorMap& left, const TensorMap& truth,
                         std::size_t run) const {
    for (const char* what : {"change.removed", "change.added", "change.relabelled"}) {
      if (left_rows(left, what) == left_rows(truth, what)) continue;
      throw ConfigError("truth", fmt::format("run {} of '{}' changed other rows than that of '{}'; "
                                             "give both the same `change`",
                                             run, name, params_.truth.name));
    }
  }

  /// Bounds of the distance to the optimum on the data that remain, by algorithm and run.
  std::map<std::string, std::vector<double>> certificates(
      const EvaluationRequest& request, const std::vector<Candidate>& candidates) const {
    const RunSet& before = request.runs.at(params_.before.name);
    const RunSet& truth = request.runs.at(params_.truth.name);
    const auto objective = exact_objective(request, before.predictor);
    std::map<std::string, std::vector<double>> out;
    for (std::size_t run = 0; run < runs(); ++run) {
      request.progress.check_stop();
      const std::size_t b = before_of(run);
      const DescentPlan plan =
          read_trajectory(
              {before.predictor, before.weights(b), {}, before.facts(b), before.tensors(b)},
              request.train)
              .plan;
      if (!(plan.weight_decay > 0))
        throw ConfigError("bound",
                          "`certified` needs an L2 penalty, and the runs of `before` have none: "
                          "give them `weight_decay`, or take `empirical`");
      const Rows rows = remaining_rows(plan, truth.tensors(run));
      for (const Candidate& one : candidates)
        out[one.name].push_back(
            distance_to_optimum(*objective, one.weights[run], rows, plan.weight_decay));
    }
    return out;
  }

  static Rows remaining_rows(const DescentPlan& plan, const TensorMap& left) {
    DataChange change;
    change.removed = left_rows(left, "change.removed");
    change.added = left_rows(left, "change.added");
    if (!left_rows(left, "change.relabelled").empty())
      throw ConfigError("truth",
                        "relabels rows: `bound: certified` is for deletions and additions");
    return plan.after(change).live_rows();
  }

  static std::shared_ptr<const Objective> exact_objective(const EvaluationRequest& request,
                                                          const Predictor& predictor) {
    try {
      return make_objective(predictor, request.facts, request.train, Precision::float64);
    } catch (const ConfigError&) {
      throw ConfigError("bound",
                        "`certified` needs losses that are convex in the weights: a linear model "
                        "of at most 16 outputs; take `empirical` for others");
    }
  }

  void set_bound(const Candidate& one, const std::map<std::string, std::vector<double>>& bounds,
                 Judged& out) const {
    if (certified()) {
      const std::vector<double>& of_runs = bounds.at(one.name);
      out.d0 = *std::max_element(of_runs.begin(), of_runs.end());
    } else {
      out.check = empirical_bound(one.distances, params_.margin);
      out.d0 = out.check.d0;
      out.first_attacked = one.distances.size() / 2;
    }
    out.deviation = noise_deviation(noise_, out.d0, one.weights.front().numel());
  }

  /// One run of an algorithm, with and without noise.
  void publish(const EvaluationRequest& request, const Candidate& one, std::size_t run,
               Judged& out) const {
    const at::Tensor& w = one.weights[run];
    const std::int64_t p = w.numel();
    RandomStream random(request.seed, "noise/" + one.name, run);
    const at::Tensor noise = draw_noise(noise_, out.deviation, params_.draws, p, random);
    Weights stack{at::cat({w.unsqueeze(0), w + noise}).to(at::kFloat), one.buffers[run]};
    if (stack.buffers.defined()) stack.buffers = stack.buffers.expand({1 + params_.draws, -1});
    const std::vector<double> scores = scores_of(request, one.predictor, stack);
    out.plain.push_back(scores.front());
    out.noisy.push_back(mean(std::span(scores).subspan(1)));
    out.noise_by_norm += out.deviation * std::sqrt(static_cast<double>(p)) /
                         w.norm().item<double>() / static_cast<double>(runs());
    if (run < out.first_attacked) return;
    const at::Tensor retrained =
        request.runs.at(params_.truth.name).weights(run).parameters.to(at::kDouble);
    RandomStream attack(request.seed, "attack/" + one.name, run);
    out.attack.push_back(best_attack(noise_, w - retrained, out.deviation, attack));
  }

  /// Accuracy on the test set; of a regression the root mean squared error.
  static std::vector<double> scores_of(const EvaluationRequest& request, const Predictor& predictor,
                                       const Weights& stack) {
    const at::Tensor outputs = predictor.outputs_stacked(stack, request.test.inputs);
    std::vector<double> out;
    for (std::int64_t m = 0; m < outputs.size(0); ++m)
      out.push_back(test_score(outputs[m], request.test.targets, request.facts.task));
    return out;
  }

  // ---- what is told ----

  const char* label() const { return certified() ? kCertified : kEmpirical; }

  Json values_of(const Candidate& one, const Judged& judged) const {
    const auto interval = [&](const std::vector<double>& by_run) {
      Json out = to_json(t_interval(by_run, params_.confidence));
      out["n"] = by_run.size();
      return out;
    };
    if (!certified() && one.name == params_.truth.name) return {{"score", interval(judged.plain)}};
    Json out{{"bound", label()},
             {"distance", mean(one.distances)},
             {"largest_distance", *std::max_element(one.distances.begin(), one.distances.end())},
             {"d0", judged.d0},
             {"noise_deviation", judged.deviation},
             {"noise_by_norm", judged.noise_by_norm},
             {"score", interval(judged.plain)},
             {"noisy_score", interval(judged.noisy)},
             {"attack_auc", interval(judged.attack)},
             {"attack_bound", attack_bound(noise_.epsilon, noise_.delta)}};
    if (noise_.kind == NoiseKind::gaussian && judged.d0 > 0)
      out["delta_at_bound"] = gaussian_delta(judged.d0, judged.deviation, noise_.epsilon);
    if (!certified()) {
      out["violations"] = to_json(
          share_interval(judged.check.violations, judged.check.checked, params_.confidence));
      out["violations"]["n"] = judged.check.checked;
    }
    return out;
  }

  EvaluationResult told(const EvaluationRequest& request, const std::vector<Candidate>& candidates,
                        const std::map<std::string, Judged>& judged) const {
    const std::string score =
        request.facts.task == Task::classification ? "test accuracy" : "test RMSE";
    EvaluationResult out;
    Json rows = Json::array();
    std::vector<std::string> sentences;
    for (const Candidate& one : candidates) {
      const Json values = values_of(one, judged.at(one.name));
      const auto number = [&](const char* key) { return values.value(key, Json(nullptr)); };
      const auto estimate = [&](const char* key) {
        return values.contains(key) ? values.at(key).at("estimate") : Json(nullptr);
      };
      Json row{one.name,
               number("largest_distance"),
               number("d0"),
               number("noise_deviation"),
               number("noise_by_norm"),
               estimate("score"),
               estimate("noisy_score"),
               estimate("attack_auc"),
               number("attack_bound")};
      if (!certified()) row.push_back(estimate("violations"));
      rows.push_back(std::move(row));
      out.values[one.name] = values;
      if (one.name == params_.before.name || one.name == params_.truth.name) continue;
      sentences.push_back(fmt::format("{} {:.4f}, with noise {:.4f}", one.name,
                                      estimate("score").get<double>(),
                                      estimate("noisy_score").get<double>()));
    }
    Json columns{"algorithm", "largest distance", "d0",         "noise deviation", "|noise| / |w|",
                 score,       "with noise",       "attack AUC", "AUC at most"};
    if (!certified()) columns.push_back("beyond d0, share");
    const std::string privacy = privacy_text();
    out.summary = fmt::format("{}, d0 {}, {} deletions; {}: {}.", privacy, label(), params_.runs,
                              score, fmt::join(sentences, "; "));
    out.exhibits.push_back({"table",
                            fmt::format("Published with noise: {}, {}", privacy, label()),
                            {{"columns", columns}, {"rows", rows}}});
    out.exhibits.push_back({"table", "Guarantee", guarantee()});
    return out;
  }

  std::string privacy_text() const {
    return noise_.kind == NoiseKind::gaussian
               ? fmt::format("Gaussian noise for epsilon {}, delta {}", noise_.epsilon,
                             noise_.delta)
               : fmt::format("Laplace noise for epsilon {}", noise_.epsilon);
  }

  Json guarantee() const {
    Json rows{{"guaranteed: nothing"},
              {"not guaranteed: that another deletion is no farther away than d0"}};
    if (certified()) {
      rows = {
          {"guaranteed, for these deletions: the weights with the noise and the exact minimiser "
           "of the penalised loss on the remaining data with the same noise are (epsilon, "
           "delta)-indistinguishable"},
          {"not guaranteed: the same of weights retrained in finitely many steps; that the "
           "scale of the noise, which is computed from the data, tells nothing"}};
    }
    return {{"columns", Json::array({"what is said"})}, {"rows", rows}};
  }

  ApproximateDeletionParams params_;
  NoisePlan noise_;
};

}  // namespace

MODELDIFF_PLUGIN("evaluations", "approximate_deletion", "1.0",
                 "What it costs to publish rapidly retrained weights with noise, and what an "
                 "attacker can tell",
                 ApproximateDeletion, ApproximateDeletionParams,
                 R"({"needs": ["runs"], "inputs": "sparse", "run_count": "runs"})");

}  // namespace modeldiff
