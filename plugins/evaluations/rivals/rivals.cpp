#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "analysis/json.h"
#include "analysis/residuals.h"
#include "analysis/scorecard.h"
#include "analysis/statistics.h"
#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"
#include "modeldiff/evaluation.h"
#include "modeldiff/plugin.h"
#include "rankings.h"
#include "rivals_params.h"

namespace modeldiff {
namespace {

constexpr std::int64_t kBatch = 1000;

/// The input of the last linear layer, [n, features] float32.
at::Tensor features_of(const Predictor& predictor, const Weights& weights, const Examples& data) {
  const at::NoGradGuard no_gradients;
  std::vector<at::Tensor> parts;
  for (std::int64_t begin = 0; begin < data.size(); begin += kBatch) {
    Pass pass;
    pass.want_features = true;
    predictor.model->forward(
        weights, predictor.view.apply(data.floats(begin, std::min(begin + kBatch, data.size()))),
        pass);
    if (!pass.features.defined())
      throw DataError("rivals: the model does not say what the input of its last layer is");
    parts.push_back(pass.features.flatten(1));
  }
  return at::cat(parts);
}

/// What a user would try first to find a planted difference, on the same runs and scores as the
/// comparison: accuracy where the mark is, distances of features, the plain difference of scores.
class Rivals final : public Evaluation {
 public:
  explicit Rivals(RivalsParams params) : params_(params) {}

  EvaluationResult evaluate(const EvaluationRequest& request) const override {
    if (!request.train.planted.defined() || request.facts.planted.is_null())
      throw ConfigError("", "needs a planted mark, and the data set has none; add dataset.plant");
    const Json& side = request.compare.at("sides")[0];
    const auto of = side.at("of").get<std::string>(),
               against = side.at("against").get<std::string>();
    EvaluationResult out;
    out.values["accuracy"] = compare_accuracy(request, of, against);
    const UnitRows rows = unit_rows(request.scores.at(of), request.scores.at(against));
    const std::vector<std::pair<std::string, at::Tensor>> rankings{
        {"residual", request.compare_tensors.at(of + ".examples")[0]},
        {"difference", rivals::direction_of_difference(rows)},
        {"features", distances_of_features(request, of, against)}};
    Json table = Json::array();
    for (const auto& [name, weights] : rankings) {
      const Json score = judge(request, weights);
      table.push_back(
          {name, score.at("precision"), score.at("auroc"), score.at("auroc_within_class")});
      out.values[name] = score;
    }
    const Json& accuracy = out.values.at("accuracy");
    out.summary = fmt::format(
        "Planted examples at the end of a ranking: {:.0f} % by the residual, {:.0f} % by the plain "
        "difference, {:.0f} % by distances of features; accuracy on the mark {}.",
        percent(out.values, "residual"), percent(out.values, "difference"),
        percent(out.values, "features"),
        accuracy.is_null() ? "is not known"
                           : fmt::format("has p = {:.2g}", accuracy.at("p_value").get<double>()));
    out.exhibits.push_back(
        {"table",
         "Rankings of training examples by where the algorithms differ",
         {{"columns", {"ranking", "precision", "AUROC", "AUROC in class"}}, {"rows", table}}});
    return out;
  }

 private:
  static double percent(const Json& values, const char* name) {
    return 100 * values.at(name).at("precision").get<double>();
  }

  static Json judge(const EvaluationRequest& request, const at::Tensor& weights) {
    const at::Tensor& planted = request.train.planted;
    return {
        {"precision", finite(precision_at(weights, planted, planted.sum().item<std::int64_t>()))},
        {"auroc", finite(auroc(weights, planted))},
        {"auroc_within_class",
         finite(auroc_within(weights, planted, request.train.targets,
                             request.facts.planted.at("class").get<std::int64_t>()))}};
  }

  /// By run, accuracy on the queries of the class with the mark less that on those without; a Welch
  /// test of its means under A and B. Null when a kind of query or a second run is missing.
  static Json compare_accuracy(const EvaluationRequest& request, const std::string& of,
                               const std::string& against) {
    if (!request.queries.planted.defined()) return nullptr;
    const auto label = request.facts.planted.at("class").get<std::int64_t>();
    const at::Tensor inside = request.queries.targets.eq(label),
                     marked = inside.logical_and(request.queries.planted),
                     plain = inside.logical_and(request.queries.planted.logical_not());
    if (!marked.any().item<bool>() || !plain.any().item<bool>()) return nullptr;
    const auto gains = [&](const std::string& name, Json& values) {
      const RunSet& runs = request.runs.at(name);
      std::vector<double> on_marked, on_plain, out;
      for (std::size_t run = 0; run < runs.keys.size(); ++run) {
        request.progress.check_stop();
        const at::Tensor right = runs.predictor.outputs(runs.weights(run), request.queries.inputs)
                                     .argmax(1)
                                     .eq(request.queries.targets)
                                     .to(at::kDouble);
        on_marked.push_back(right.masked_select(marked).mean().item<double>());
        on_plain.push_back(right.masked_select(plain).mean().item<double>());
        out.push_back(on_marked.back() - on_plain.back());
      }
      values[name] = {{"with_mark", mean(on_marked)}, {"without_mark", mean(on_plain)}};
      return out;
    };
    Json out = Json::object();
    const std::vector<double> a = gains(of, out), b = gains(against, out);
    if (a.size() < 2 || b.size() < 2) return nullptr;
    const MeanTest test = welch_test(a, b);
    out["difference"] = test.difference;
    out["p_value"] = test.p_value;
    return out;
  }

  /// For each training example, how far its similarities to the references, means over runs, are
  /// from each other. [n] float32
  at::Tensor distances_of_features(const EvaluationRequest& request, const std::string& of,
                                   const std::string& against) const {
    const std::int64_t n = request.train.size();
    RandomStream random(request.seed, "rivals");
    const at::Tensor references =
        at::tensor(random.choose(n, std::min(params_.references, n)), at::kLong);
    const auto mean_similarity = [&](const std::string& name) {
      const RunSet& runs = request.runs.at(name);
      at::Tensor sum = at::zeros({n, references.size(0)});
      for (std::size_t run = 0; run < runs.keys.size(); ++run) {
        request.progress.check_stop();
        sum += rivals::similarity(features_of(runs.predictor, runs.weights(run), request.train),
                                  references);
      }
      return sum / static_cast<double>(runs.keys.size());
    };
    return (mean_similarity(of) - mean_similarity(against)).norm(2, {1});
  }

  RivalsParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("evaluations", "rivals", "1.0",
                 "What a user would try first on a planted difference, beside the residual", Rivals,
                 RivalsParams,
                 R"({"needs": ["runs", "scores", "compare"], "data": "ground_truth"})");

}  // namespace modeldiff
