#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "analysis/json.h"
#include "analysis/left_out.h"
#include "analysis/retrained.h"
#include "estimates.h"
#include "jackknife_params.h"
#include "modeldiff/core/error.h"
#include "modeldiff/plugin.h"

namespace modeldiff {
namespace {

using jackknife::Design;
using jackknife::Estimates;

/// What is computed of a model: the statistics of the test set, then its weights. [2 + p] float64
at::Tensor statistics_of(const EvaluationRequest& request, const at::Tensor& outputs,
                         const at::Tensor& weights) {
  const at::Tensor& targets = request.test.targets;
  const at::Tensor loss = row_losses(outputs, targets, request.facts.task).mean();
  const double score = test_score(outputs, targets, request.facts.task);
  return at::cat(
      {at::stack({loss, at::scalar_tensor(score, at::kDouble)}), weights.to(at::kDouble)});
}

constexpr std::int64_t kTestStatistics = 2;

double at_place(const at::Tensor& values, std::int64_t i) { return values[i].item<double>(); }

/// Names of the weights: "head.weight[0,3]".
std::vector<std::string> weight_names(const ParameterLayout& layout) {
  std::vector<std::string> out;
  for (const ParameterLayout::Entry& entry : layout.entries()) {
    for (std::int64_t i = 0; i < entry.count; ++i) {
      std::vector<std::int64_t> place(entry.shape.size());
      std::int64_t rest = i;
      for (std::size_t axis = entry.shape.size(); axis-- > 0; rest /= entry.shape[axis])
        place[axis] = rest % entry.shape[axis];
      out.push_back(fmt::format("{}[{}]", entry.name, fmt::join(place, ",")));
    }
  }
  return out;
}

/// Bias and standard error of what a training set makes of a model, from models without some rows.
class Jackknife final : public Evaluation {
 public:
  explicit Jackknife(JackknifeParams params) : params_(std::move(params)) {}

  EvaluationResult evaluate(const EvaluationRequest& request) const override {
    const RunSet& before = runs_of(request, params_.before, "before", 1);
    const RunSet& without = runs_of(request, params_.without, "without", params_.runs);
    const std::vector<at::Tensor> rows = left_out_rows(without, params_.runs, "without");
    const Design design = design_of(request, rows);
    const Weights weights = before.weights(0);
    const at::Tensor all = statistics_of(
        request, before.predictor.outputs(weights, request.test.inputs), weights.parameters);
    const at::Tensor left = without_rows(request, without, params_.runs);
    const Estimates found = jackknife::estimate(all, left, design, params_.confidence);
    EvaluationResult out;
    out.values = {{"rows", design.rows},
                  {"left_out", design.left_out},
                  {"runs", design.runs},
                  {"complete", design.complete()}};
    tell_statistics(request, all, found, out);
    tell_coefficients(before.predictor, all, found, out);
    tell_summary(request, design, out);
    if (!params_.truth.name.empty()) tell_truth(request, rows, design, all, left, out);
    return out;
  }

 private:
  static Design design_of(const EvaluationRequest& request, const std::vector<at::Tensor>& rows) {
    const std::int64_t each = rows.front().numel();
    for (std::size_t run = 1; run < rows.size(); ++run) {
      if (rows[run].numel() == each) continue;
      throw ConfigError("without", fmt::format("run 0 was made without {} rows and run {} without "
                                               "{}; the jackknife needs as many in each run",
                                               each, run, rows[run].numel()));
    }
    return {request.train.size(), each, static_cast<std::int64_t>(rows.size())};
  }

  /// @return [K, 2 + p] float64
  static at::Tensor without_rows(const EvaluationRequest& request, const RunSet& runs,
                                 std::int64_t count) {
    std::vector<at::Tensor> out;
    for_each_model(runs, count, request.test.inputs, request.progress,
                   [&](std::int64_t, const Weights& weights, const at::Tensor& outputs) {
                     out.push_back(statistics_of(request, outputs, weights.parameters));
                   });
    return at::stack(out);
  }

  static std::vector<std::string> test_statistics(const EvaluationRequest& request) {
    return {"test_loss",
            request.facts.task == Task::classification ? "test_accuracy" : "test_rmse"};
  }

  static Json told(const at::Tensor& all, const Estimates& found, std::int64_t i) {
    return {{"estimate", at_place(all, i)},
            {"bias", at_place(found.bias, i)},
            {"bias_error", at_place(found.bias_error, i)},
            {"corrected", at_place(found.corrected, i)},
            {"standard_error", at_place(found.standard_error, i)},
            {"lower", at_place(found.lower, i)},
            {"upper", at_place(found.upper, i)}};
  }

  static Exhibit table(const std::string& title, const std::vector<std::string>& names,
                       const Json& told) {
    Json rows = Json::array();
    for (const std::string& name : names) {
      Json row{name};
      for (const char* key :
           {"estimate", "bias", "bias_error", "corrected", "standard_error", "lower", "upper"})
        row.push_back(told.at(name).at(key));
      rows.push_back(std::move(row));
    }
    const Json columns{"",          "estimate",       "bias", "error of the bias",
                       "corrected", "standard error", "from", "to"};
    return {"table", title, {{"columns", columns}, {"rows", rows}}};
  }

  static void tell_statistics(const EvaluationRequest& request, const at::Tensor& all,
                              const Estimates& found, EvaluationResult& out) {
    const std::vector<std::string> names = test_statistics(request);
    Json& values = out.values["statistics"];
    for (std::int64_t i = 0; i < kTestStatistics; ++i)
      values[names[static_cast<std::size_t>(i)]] = told(all, found, i);
    out.exhibits.push_back(table("On the test set", names, values));
  }

  /// Each weight of a small model; of a large one the length of each vector.
  void tell_coefficients(const Predictor& predictor, const at::Tensor& all, const Estimates& found,
                         EvaluationResult& out) const {
    const auto weights = [](const at::Tensor& x) { return x.slice(0, kTestStatistics); };
    Json& values = out.values["coefficients"];
    values = {{"count", weights(all).numel()},
              {"norm", weights(all).norm().item<double>()},
              {"bias_norm", weights(found.bias).norm().item<double>()},
              {"standard_error_norm", weights(found.standard_error).norm().item<double>()}};
    out.tensors["bias"] = weights(found.bias).clone();
    out.tensors["standard_error"] = weights(found.standard_error).clone();
    if (weights(all).numel() > params_.coefficients) return;
    const std::vector<std::string> names = weight_names(predictor.model->parameters());
    Json each = Json::object(), values_only = Json::array(), lower = Json::array(),
         upper = Json::array();
    for (std::size_t i = 0; i < names.size(); ++i) {
      each[names[i]] = told(all, found, kTestStatistics + static_cast<std::int64_t>(i));
      values_only.push_back(each[names[i]].at("corrected"));
      lower.push_back(each[names[i]].at("lower"));
      upper.push_back(each[names[i]].at("upper"));
    }
    out.exhibits.push_back(table("Weights, on inputs as the model sees them", names, each));
    values["each"] = std::move(each);
    out.exhibits.push_back(
        {"bars",
         fmt::format("Weights with {:g} % intervals", 100 * params_.confidence),
         {{"labels", names}, {"values", values_only}, {"lower", lower}, {"upper", upper}}});
  }

  void tell_summary(const EvaluationRequest& request, const Design& design,
                    EvaluationResult& out) const {
    const std::string name = test_statistics(request).front();
    const Json& loss = out.values.at("statistics").at(name);
    out.summary = fmt::format(
        "Jackknife, {} of {} rows left out, {} at a time: test loss {:.4g}, bias {:.2g}{}, "
        "standard "
        "error {:.2g} over training sets.",
        design.runs * design.left_out, design.rows, design.left_out,
        loss.at("estimate").get<double>(), loss.at("bias").get<double>(),
        design.complete() ? ""
                          : fmt::format(" (+- {:.2g} from leaving out only some rows)",
                                        loss.at("bias_error").get<double>()),
        loss.at("standard_error").get<double>());
  }

  /// Both estimates from the first runs, and how far single models are from retrained ones.
  void tell_truth(const EvaluationRequest& request, const std::vector<at::Tensor>& rows,
                  const Design& design, const at::Tensor& all, const at::Tensor& left,
                  EvaluationResult& out) const {
    const std::int64_t count = std::min(params_.runs, params_.truth_runs);
    const RunSet& truth = runs_of(request, params_.truth, "truth", count);
    require_same_rows(left_out_rows(truth, count, "truth"), rows, "truth");
    const at::Tensor exact = without_rows(request, truth, count), quick = left.slice(0, 0, count);
    const Design same{design.rows, design.left_out, count};
    const Estimates of_exact = jackknife::estimate(all, exact, same, params_.confidence);
    const Estimates of_quick = jackknife::estimate(all, quick, same, params_.confidence);

    const auto weights = [](const at::Tensor& x) { return x.slice(-1, kTestStatistics); };
    const at::Tensor distance =
        weights(quick - exact).norm(2, {1}) / weights(exact - all).norm(2, {1}).clamp_min(1e-300);
    const auto relative = [](const at::Tensor& a, const at::Tensor& b) {
      return finite(((a - b).norm() / b.norm()).item<double>());
    };
    Json& values = out.values["truth"];
    values = {{"runs", count},
              {"mean_relative_distance", distance.mean().item<double>()},
              {"largest_relative_distance", distance.max().item<double>()},
              {"coefficients",
               {{"bias_error", relative(weights(of_quick.bias), weights(of_exact.bias))},
                {"standard_error_error",
                 relative(weights(of_quick.standard_error), weights(of_exact.standard_error))}}}};
    const std::vector<std::string> names = test_statistics(request);
    Json table_rows = Json::array();
    for (std::int64_t i = 0; i < kTestStatistics; ++i) {
      const std::string& name = names[static_cast<std::size_t>(i)];
      values[name] = {{"exact_bias", at_place(of_exact.bias, i)},
                      {"bias", at_place(of_quick.bias, i)},
                      {"exact_standard_error", at_place(of_exact.standard_error, i)},
                      {"standard_error", at_place(of_quick.standard_error, i)}};
      table_rows.push_back({name, values[name]["exact_bias"], values[name]["bias"],
                            values[name]["exact_standard_error"], values[name]["standard_error"]});
    }
    out.exhibits.push_back(
        {"table",
         fmt::format("The same from retraining, {} runs", count),
         {{"columns",
           {"", "bias, retrained", "bias", "standard error, retrained", "standard error"}},
          {"rows", table_rows}}});
    out.summary += fmt::format(
        " Distance to the retrained model, as a share of how far leaving out moves it: {:.2g} % on "
        "average, at most {:.2g} % ({} runs).",
        100 * values["mean_relative_distance"].get<double>(),
        100 * values["largest_relative_distance"].get<double>(), count);
  }

  JackknifeParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("evaluations", "jackknife", "1.0",
                 "Bias and standard error over training sets, from models made without some rows",
                 Jackknife, JackknifeParams,
                 R"({"needs": ["runs"], "inputs": "sparse",
                     "run_count": {"before": 1, "without": "runs", "truth": "truth_runs"}})");

}  // namespace modeldiff
