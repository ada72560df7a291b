#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "analysis/json.h"
#include "analysis/permutation.h"
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
/// Columns of similarities that all runs have in memory at a time.
constexpr std::int64_t kReferences = 64;

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
    const FeatureDifference features = difference_of_features(request, of, against);
    const UnitRows rows = unit_rows(request.scores.at(of), request.scores.at(against));
    const std::vector<std::pair<std::string, at::Tensor>> rankings{
        {"residual", request.compare_tensors.at(of + ".examples")[0]},
        {"difference", rivals::direction_of_difference(rows)},
        {"features", features.distances}};
    Json table = Json::array();
    for (const auto& [name, weights] : rankings) {
      const Json score = judge(request, weights);
      table.push_back(
          {name, score.at("precision"), score.at("auroc"), score.at("auroc_within_class")});
      out.values[name] = score;
    }
    out.values["features"]["p_value"] = features.p_value;
    const Json& accuracy = out.values.at("accuracy");
    out.summary = fmt::format(
        "Planted examples at the end of a ranking: {:.0f} % by the residual, {:.0f} % by the plain "
        "difference, {:.0f} % by distances of features (p = {:.2g}); accuracy on the mark {}.",
        percent(out.values, "residual"), percent(out.values, "difference"),
        percent(out.values, "features"), features.p_value,
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

  struct FeatureDifference {
    at::Tensor distances;  // [n] float64, of each training example
    double p_value = 1;    // of all together, runs dealt anew
  };

  /// How far the similarities of training examples to the references, means over runs, are from
  /// each other.
  FeatureDifference difference_of_features(const EvaluationRequest& request, const std::string& of,
                                           const std::string& against) const {
    const std::int64_t n = request.train.size();
    const RunSet &a = request.runs.at(of), &b = request.runs.at(against);
    const auto runs_a = static_cast<std::int64_t>(a.keys.size()),
               runs = runs_a + static_cast<std::int64_t>(b.keys.size());
    std::vector<at::Tensor> features;
    for (const RunSet* side : {&a, &b}) {
      for (std::size_t run = 0; run < side->keys.size(); ++run) {
        request.progress.check_stop();
        features.push_back(features_of(side->predictor, side->weights(run), request.train));
      }
    }
    RandomStream random(request.seed, "rivals");
    const at::Tensor references =
        at::tensor(random.choose(n, std::min(params_.references, n)), at::kLong);
    at::Tensor squares = at::zeros({n}, at::kDouble);
    at::Tensor gram = at::zeros({runs, runs}, at::kDouble);
    for (const at::Tensor& block : references.split(kReferences)) {
      request.progress.check_stop();
      const at::Tensor similarities = at::empty({runs, n, block.size(0)});
      for (std::int64_t run = 0; run < runs; ++run) {
        similarities[run].copy_(rivals::similarity(features[static_cast<std::size_t>(run)], block));
      }
      // What all runs share would cost digits, and no difference sees it.
      similarities.sub_(similarities.mean(0, /*keepdim=*/true));
      squares += (similarities.narrow(0, 0, runs_a).mean(0) -
                  similarities.narrow(0, runs_a, runs - runs_a).mean(0))
                     .to(at::kDouble)
                     .square()
                     .sum(1);
      const at::Tensor rows = similarities.flatten(1);
      gram += at::matmul(rows, rows.t()).to(at::kDouble);
    }
    FeatureDifference out{squares.sqrt()};
    out.p_value =
        distance_test(gram, static_cast<int>(runs_a),
                      {.permutations = request.compare.at("permutations").get<std::int64_t>(),
                       .seed = request.seed,
                       .paired = request.compare.at("paired").get<bool>()})
            .p_values.front();
    return out;
  }

  RivalsParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("evaluations", "rivals", "1.1",
                 "What a user would try first on a planted difference, beside the residual", Rivals,
                 RivalsParams,
                 R"({"needs": ["runs", "scores", "compare"], "data": "ground_truth"})");

}  // namespace modeldiff
