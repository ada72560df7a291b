#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analysis/json.h"
#include "analysis/left_out.h"
#include "conformal_params.h"
#include "modeldiff/core/error.h"
#include "modeldiff/plugin.h"
#include "prediction_sets.h"

namespace modeldiff {
namespace {

using conformal::Calibration;
using conformal::Intervals;

/// Test rows that a table has a line for.
struct Part {
  std::string name;
  at::Tensor rows;  // [N] bool
};

/// What models say of the test rows and of the rows that they were made without.
struct Predicted {
  Calibration calibration;
  at::Tensor tests;  // [K, N] predictions, or [K, N, C] scores of the classes; float64
};

/// What is given for each test row.
struct Given {
  at::Tensor covered;  // [N] bool
  at::Tensor size;     // [N] float64: width of the interval, number of classes
  TensorMap tensors;
};

/// One way to calibrate, with its name in tables.
struct Method {
  std::string name, title;
  Given given;
};

double share(const at::Tensor& condition) {
  return condition.to(at::kDouble).mean().item<double>();
}

std::string name_of_class(const DataFacts& facts, std::int64_t label) {
  const auto at = static_cast<std::size_t>(label);
  return at < facts.class_names.size() ? facts.class_names[at] : std::to_string(label);
}

/// Prediction intervals and sets from models made without some rows, and how often they hold on
/// the test set.
class Conformal final : public Evaluation {
 public:
  explicit Conformal(ConformalParams params) : params_(std::move(params)) {}

  EvaluationResult evaluate(const EvaluationRequest& request) const override {
    require_kind(request.facts);
    const RunSet& without = runs_of(request, params_.without, "without", params_.runs);
    const std::vector<at::Tensor> rows = left_out_rows(without, params_.runs, "without");
    const RunSet& before = runs_of(request, params_.before, "before", 1);

    std::vector<Method> methods;
    methods.push_back({"before", params_.before.name + ", seen rows",
                       given(request, predict(request, before, {at::cat(rows)}))});
    methods.push_back(
        {"without", params_.without.name, given(request, predict(request, without, rows))});
    if (!params_.truth.name.empty()) {
      const RunSet& truth = runs_of(request, params_.truth, "truth", params_.runs);
      require_same_rows(left_out_rows(truth, params_.runs, "truth"), rows, "truth");
      methods.push_back(
          {"truth", params_.truth.name, given(request, predict(request, truth, rows))});
    }
    return told(request, rows, methods, parts_of(request, before));
  }

 private:
  bool sets() const { return params_.kind == ConformalKind::cross; }

  void require_kind(const DataFacts& facts) const {
    const bool classes = facts.task == Task::classification;
    if (sets() && !classes) {
      throw ConfigError("kind", fmt::format("`cross` gives sets of classes, and '{}' is a "
                                            "regression; take `jackknife_plus`",
                                            facts.name));
    }
    if (!sets() && (classes || facts.outputs != 1)) {
      throw ConfigError(
          "kind", fmt::format("`jackknife_plus` gives intervals of one number, and "
                              "'{}' has {} {}{}",
                              facts.name, facts.outputs, classes ? "classes" : "target columns",
                              classes ? "; take `cross`" : ""));
    }
  }

  /// How badly outputs fit: |y - f| of a regression. @return [n] float64
  static at::Tensor scores_of(const at::Tensor& outputs, const at::Tensor& targets, Task task) {
    if (task == Task::classification) return row_losses(outputs, targets, task);
    return (outputs.to(at::kDouble) - targets.reshape_as(outputs)).abs().squeeze(1);
  }

  /// @param rows that run k calibrates with, [n_k] int64 each: for k = 0.. those it was made without
  static Predicted predict(const EvaluationRequest& request, const RunSet& runs,
                           const std::vector<at::Tensor>& rows) {
    std::vector<at::Tensor> tests, folds, scores;
    const Task task = request.facts.task;
    const auto count = static_cast<std::int64_t>(rows.size());
    for_each_model(
        runs, count, request.test.inputs, request.progress,
        [&](std::int64_t run, const Weights& weights, const at::Tensor& outputs) {
          const at::Tensor z = outputs.to(at::kDouble);
          tests.push_back(task == Task::classification ? -z.log_softmax(1) : z.squeeze(1));
          const Examples own = request.train.select(rows[static_cast<std::size_t>(run)]);
          scores.push_back(
              scores_of(runs.predictor.outputs(weights, own.inputs), own.targets, task));
          folds.push_back(at::full({own.size()}, run, at::kLong));
        });
    return {{at::cat(folds), at::cat(scores)}, at::stack(tests)};
  }

  Given given(const EvaluationRequest& request, const Predicted& predicted) const {
    Given out;
    if (sets()) {
      const at::Tensor p = conformal::cross_p_values(predicted.tests, predicted.calibration);
      const at::Tensor set = conformal::cross_sets(p, params_.alpha);
      out.covered = set.gather(1, request.test.targets.unsqueeze(1)).squeeze(1);
      out.size = set.to(at::kDouble).sum(1);
      out.tensors["p_values"] = p;
      return out;
    }
    const auto [lower, upper] =
        conformal::jackknife_plus(predicted.tests, predicted.calibration, params_.alpha);
    const at::Tensor y = request.test.targets.to(at::kDouble).flatten();
    out.covered = lower.le(y).logical_and(y.le(upper));
    out.size = upper - lower;
    out.tensors = {{"lower", lower}, {"upper", upper}};
    return out;
  }

  /// All test rows; then each class, or each third by the prediction.
  static std::vector<Part> parts_of(const EvaluationRequest& request, const RunSet& before) {
    const std::int64_t tests = request.test.size();
    std::vector<Part> out{{"all", at::ones({tests}, at::kBool)}};
    if (request.facts.task == Task::classification) {
      for (std::int64_t c = 0; c < request.facts.outputs; ++c)
        out.push_back({name_of_class(request.facts, c), request.test.targets.eq(c)});
    } else {
      const at::Tensor rank = before.predictor.outputs(before.weights(0), request.test.inputs)
                                  .flatten()
                                  .argsort(/*stable=*/true)
                                  .argsort(/*stable=*/true);
      const char* thirds[] = {"lowest predictions", "middle predictions", "highest predictions"};
      for (std::int64_t third = 0; third < 3; ++third)
        out.push_back({thirds[third], (rank * 3).div(tests, "floor").eq(third)});
    }
    std::erase_if(out, [](const Part& part) { return !part.rows.any().item<bool>(); });
    return out;
  }

  Json measured(const Given& given, const at::Tensor& rows) const {
    const at::Tensor covered = given.covered.masked_select(rows);
    const at::Tensor size = given.size.masked_select(rows);
    const Interval coverage = conformal::proportion(covered.sum().item<std::int64_t>(),
                                                    covered.numel(), params_.confidence);
    Json out{
        {"rows", covered.numel()},
        {"coverage",
         {{"estimate", coverage.estimate}, {"lower", coverage.lower}, {"upper", coverage.upper}}}};
    if (sets()) {
      out["mean_size"] = size.mean().item<double>();
      out["share_empty"] = share(size.eq(0));
      out["share_single"] = share(size.eq(1));
    } else {
      out["mean_width"] = finite(size.mean().item<double>());
      out["share_infinite"] = share(size.isinf());
    }
    return out;
  }

  EvaluationResult told(const EvaluationRequest& request, const std::vector<at::Tensor>& rows,
                        const std::vector<Method>& methods, const std::vector<Part>& parts) const {
    const std::int64_t n = at::cat(rows).numel();
    const auto runs = static_cast<std::int64_t>(rows.size());
    EvaluationResult out;
    out.values = {{"alpha", params_.alpha},
                  {"nominal", 1 - params_.alpha},
                  {"guaranteed", conformal::guaranteed_coverage(params_.alpha, n, runs)},
                  {"calibration_rows", n},
                  {"rows_never_left_out", request.train.size() - n},
                  {"runs", runs}};
    for (const Method& method : methods) {
      Json& told = out.values[method.name];
      told = measured(method.given, parts.front().rows);
      for (std::size_t i = 1; i < parts.size(); ++i)
        told["parts"][parts[i].name] = measured(method.given, parts[i].rows);
      for (const auto& [name, tensor] : method.given.tensors)
        out.tensors[method.name + "." + name] = tensor;
    }
    const bool finite_sizes = !methods[1].given.size.isinf().any().item<bool>();
    if (methods.size() == 3 && finite_sizes)
      out.values["difference"] = difference(methods[1], methods[2]);
    out.summary = summary(out.values);
    add_exhibits(methods, parts, out);
    return out;
  }

  std::string method_name(const Json& values) const {
    if (sets()) return "Cross-conformal sets";
    return values.at("calibration_rows") == values.at("runs") ? "Jackknife+" : "CV+";
  }

  std::string summary(const Json& values) const {
    const Json& own = values.at("without");
    std::string out =
        fmt::format("{}, alpha {}, {} calibration rows of {} runs", method_name(values),
                    params_.alpha, values.at("calibration_rows").get<std::int64_t>(), params_.runs);
    if (!sets() && own.at("share_infinite") == 1) {
      return out + fmt::format(
                       ": every interval is infinite, as alpha (n + 1) is below 1; at "
                       "least {} rows must be left out.",
                       static_cast<std::int64_t>(std::ceil(1 / params_.alpha - 1e-9)) - 1);
    }
    const Json& coverage = own.at("coverage");
    out += fmt::format(
        ": {:.1f} % of {} test rows covered [{:.1f}, {:.1f}], nominal {:.1f} %, guaranteed {:.1f} "
        "%; ",
        100 * coverage.at("estimate").get<double>(), own.at("rows").get<std::int64_t>(),
        100 * coverage.at("lower").get<double>(), 100 * coverage.at("upper").get<double>(),
        100 * (1 - params_.alpha), 100 * values.at("guaranteed").get<double>());
    out += sets() ? fmt::format("{:.2f} classes a set.", own.at("mean_size").get<double>())
                  : fmt::format("mean width {:.3g}.", own.at("mean_width").get<double>());
    if (const auto never = values.at("rows_never_left_out").get<std::int64_t>(); never > 0)
      out += fmt::format(" {} training rows were never left out and do not calibrate.", never);
    if (!values.contains("difference")) return out;
    const Json& difference = values.at("difference");
    if (sets()) {
      return out + fmt::format(" {:.4g} % of the sets are those of retraining.",
                               100 * difference.at("share_same_sets").get<double>());
    }
    if (difference.at("largest_end") == 0) return out + " Retraining gives the same ends.";
    return out + fmt::format(
                     " Ends differ from those of retraining by {:.2g} on average, at most "
                     "{:.2g}.",
                     difference.at("mean_end").get<double>(),
                     difference.at("largest_end").get<double>());
  }

  /// How far what is given is from what exact retraining gives.
  Json difference(const Method& own, const Method& truth) const {
    if (sets()) {
      const at::Tensor p = own.given.tensors.at("p_values"), q = truth.given.tensors.at("p_values");
      const at::Tensor same = conformal::cross_sets(p, params_.alpha)
                                  .eq(conformal::cross_sets(q, params_.alpha))
                                  .all(1);
      return {{"share_same_sets", share(same)},
              {"largest_p_value", (p - q).abs().max().item<double>()}};
    }
    at::Tensor ends = at::zeros({0}, at::kDouble);
    for (const char* end : {"lower", "upper"}) {
      ends = at::cat(
          {ends, (own.given.tensors.at(end) - truth.given.tensors.at(end)).abs().flatten()});
    }
    const double width = truth.given.size.mean().item<double>();
    return {{"mean_end", ends.mean().item<double>()},
            {"largest_end", ends.max().item<double>()},
            {"largest_end_by_width", finite(ends.max().item<double>() / width)}};
  }

  void add_exhibits(const std::vector<Method>& methods, const std::vector<Part>& parts,
                    EvaluationResult& out) const {
    Json columns{"calibrated with", "test rows", "coverage", "from", "to"};
    const std::vector<std::pair<const char*, const char*>> sizes =
        sets() ? std::vector<std::pair<const char*, const char*>>{{"mean_size", "classes a set"},
                                                                  {"share_empty", "empty"},
                                                                  {"share_single", "one class"}}
               : std::vector<std::pair<const char*, const char*>>{{"mean_width", "mean width"},
                                                                  {"share_infinite", "infinite"}};
    for (const auto& [key, title] : sizes) columns.push_back(title);
    const auto line = [&](const std::string& name, const Json& told) {
      const Json& coverage = told.at("coverage");
      Json row{name, told.at("rows"), coverage.at("estimate"), coverage.at("lower"),
               coverage.at("upper")};
      for (const auto& [key, title] : sizes) row.push_back(told.at(key));
      return row;
    };
    Json rows = Json::array();
    for (const Method& method : methods)
      rows.push_back(line(method.title, out.values.at(method.name)));
    out.exhibits.push_back(
        {"table", "Coverage on the test set", {{"columns", columns}, {"rows", rows}}});
    Json of_parts = Json::array(), names = columns;
    Json labels = Json::array(), values = Json::array(), lower = Json::array(),
         upper = Json::array();
    names[0] = sets() ? "class" : "third of the test rows";
    for (const Part& part : parts) {
      const Json told = measured(methods[1].given, part.rows);
      of_parts.push_back(line(part.name, told));
      labels.push_back(part.name);
      values.push_back(told.at("coverage").at("estimate"));
      lower.push_back(told.at("coverage").at("lower"));
      upper.push_back(told.at("coverage").at("upper"));
    }
    const std::string title =
        fmt::format("By {}, {}", sets() ? "class" : "prediction", methods[1].title);
    out.exhibits.push_back({"table", title, {{"columns", names}, {"rows", of_parts}}});
    out.exhibits.push_back(
        {"bars",
         fmt::format("Coverage, {}; nominal {}", methods[1].title, 1 - params_.alpha),
         {{"labels", labels}, {"values", values}, {"lower", lower}, {"upper", upper}}});
  }

  ConformalParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("evaluations", "conformal", "1.0",
                 "Prediction intervals and sets from models made without some rows", Conformal,
                 ConformalParams,
                 R"({"needs": ["runs"], "inputs": "sparse",
                     "run_count": {"before": 1, "without": "runs", "truth": "runs"}})");

}  // namespace modeldiff
