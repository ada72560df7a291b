#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "analysis/json.h"
#include "analysis/left_out.h"
#include "data_value_params.h"
#include "modeldiff/core/error.h"
#include "modeldiff/plugin.h"
#include "training/wrappers.h"
#include "values.h"

namespace modeldiff {
namespace {

using data_value::Value;

/// Rows of the training set and what each is worth, one a run.
struct Valued {
  std::vector<std::int64_t> rows;
  std::vector<double> values, errors;
};

/// 1 where the `relabel` of the data set made a row's label wrong; nothing where it did not touch
/// the data.
std::optional<std::vector<double>> wrong_labels(const EvaluationRequest& request,
                                                const std::vector<std::int64_t>& rows) {
  const at::Tensor wrong = relabelled_rows(request.facts, request.train);
  if (!wrong.defined()) return std::nullopt;
  std::vector<double> out;
  for (const std::int64_t row : rows) out.push_back(wrong[row].item<bool>() ? 1 : 0);
  return out;
}

std::string target_of(const EvaluationRequest& request, std::int64_t row) {
  const at::Tensor target = request.train.targets[row];
  if (request.facts.task == Task::regression)
    return target.numel() == 1 ? fmt::format("{:.4g}", target.item<double>()) : "";
  const auto label = static_cast<std::size_t>(target.item<std::int64_t>());
  const auto& names = request.facts.class_names;
  return label < names.size() ? names[label] : std::to_string(label);
}

/// What each training row is worth: how much larger the test loss is without it.
class DataValue final : public Evaluation {
 public:
  explicit DataValue(DataValueParams params) : params_(std::move(params)) {}

  EvaluationResult evaluate(const EvaluationRequest& request) const override {
    const RunSet& before = runs_of(request, params_.before, "before", 1);
    const at::Tensor with =
        row_losses(before.predictor.outputs(before.weights(0), request.test.inputs),
                   request.test.targets, request.facts.task);
    const Valued valued = values_of(request, params_.without, "without", params_.runs, with);
    EvaluationResult out = told(request, valued, with.mean().item<double>());
    if (const auto wrong = wrong_labels(request, valued.rows))
      tell_wrong(request, valued, *wrong, out);
    if (!params_.truth.name.empty()) {
      const std::int64_t count = std::min(params_.runs, params_.truth_runs);
      tell_truth(request, valued, values_of(request, params_.truth, "truth", count, with), out);
    }
    return out;
  }

 private:
  /// @param with [N] float64, losses of the test rows before anything is left out
  static Valued values_of(const EvaluationRequest& request, const Reference& algorithm,
                          const std::string& key, std::int64_t count, const at::Tensor& with) {
    const RunSet& runs = runs_of(request, algorithm, key, count);
    Valued out;
    for (const at::Tensor& rows : left_out_rows(runs, count, key)) {
      if (rows.numel() != 1) {
        throw ConfigError(
            key, fmt::format("run {} was made without {} rows; the value of a row needs `change: "
                             "{{delete: {{count: 1, vary: true}}}}`",
                             out.rows.size(), rows.numel()));
      }
      out.rows.push_back(rows.item<std::int64_t>());
    }
    for_each_model(runs, count, request.test.inputs, request.progress,
                   [&](std::int64_t, const Weights&, const at::Tensor& outputs) {
                     const Value value = data_value::value_of(
                         with, row_losses(outputs, request.test.targets, request.facts.task));
                     out.values.push_back(value.value);
                     out.errors.push_back(value.error);
                   });
    return out;
  }

  data_value::Bootstrap bootstrap(const EvaluationRequest& request) const {
    return {params_.confidence, params_.bootstrap, request.seed};
  }

  EvaluationResult told(const EvaluationRequest& request, const Valued& valued,
                        double test_loss) const {
    const std::vector<double>& v = valued.values;
    const auto share = [&](auto holds) {
      double count = 0;
      for (std::size_t i = 0; i < v.size(); ++i) count += holds(i) ? 1 : 0;
      return count / static_cast<double>(v.size());
    };
    const double harmful = share([&](std::size_t i) { return v[i] < 0; });
    const double clear =
        share([&](std::size_t i) { return std::abs(v[i]) > 2 * valued.errors[i]; });
    EvaluationResult out;
    out.values = {{"rows", v.size()},
                  {"test_loss", test_loss},
                  {"mean", mean(v)},
                  {"standard_deviation", std::sqrt(sample_variance(v))},
                  {"least", *std::min_element(v.begin(), v.end())},
                  {"median", quantile(v, 0.5)},
                  {"most", *std::max_element(v.begin(), v.end())},
                  {"share_harmful", harmful},
                  {"share_beyond_two_errors", clear}};
    out.summary = fmt::format(
        "Test loss without a row less that with it, {} rows: {:.3g} on average, from {:.3g} to "
        "{:.3g}; {:.0f} % of the rows harm.",
        v.size(), mean(v), out.values.at("least").get<double>(),
        out.values.at("most").get<double>(), 100 * harmful);
    out.tensors["rows"] = at::tensor(valued.rows, at::kLong);
    out.tensors["values"] = at::tensor(v, at::kDouble);
    out.tensors["errors"] = at::tensor(valued.errors, at::kDouble);
    add_exhibits(request, valued, out);
    return out;
  }

  void add_exhibits(const EvaluationRequest& request, const Valued& valued,
                    EvaluationResult& out) const {
    std::vector<std::size_t> order(valued.rows.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return valued.values[a] < valued.values[b];
    });
    out.exhibits.push_back(
        {"table", "Most harmful rows", table_of(request, valued, {order.begin(), order.end()})});
    out.exhibits.push_back(
        {"table", "Most helpful rows", table_of(request, valued, {order.rbegin(), order.rend()})});
    Json x = Json::array(), y = Json::array(), lower = Json::array(), upper = Json::array();
    for (const std::size_t i : order) {
      x.push_back(static_cast<double>(x.size() + 1) / static_cast<double>(order.size()));
      y.push_back(valued.values[i]);
      lower.push_back(valued.values[i] - 2 * valued.errors[i]);
      upper.push_back(valued.values[i] + 2 * valued.errors[i]);
    }
    out.exhibits.push_back(
        {"lines",
         "Values in their order, with two standard errors over test rows",
         {{"x", x},
          {"series",
           Json::array({{{"name", "value"}, {"y", y}, {"lower", lower}, {"upper", upper}}})},
          {"x_label", "share of the rows"},
          {"y_label", "value"}}});
  }

  Json table_of(const EvaluationRequest& request, const Valued& valued,
                const std::vector<std::size_t>& order) const {
    const auto wrong = wrong_labels(request, valued.rows);
    Json columns{"row", "target", "value", "standard error"}, rows = Json::array();
    if (wrong) columns.push_back("label is wrong");
    for (const std::size_t i : order) {
      if (static_cast<std::int64_t>(rows.size()) == params_.show) break;
      Json row{valued.rows[i], target_of(request, valued.rows[i]), valued.values[i],
               valued.errors[i]};
      if (wrong) row.push_back((*wrong)[i] > 0 ? "yes" : "");
      rows.push_back(std::move(row));
    }
    return {{"columns", columns}, {"rows", rows}};
  }

  void tell_wrong(const EvaluationRequest& request, const Valued& valued,
                  const std::vector<double>& wrong, EvaluationResult& out) const {
    const auto count = std::count(wrong.begin(), wrong.end(), 1.0);
    Json& told = out.values["wrong_labels"] = {{"rows", count}};
    if (count == 0 || count == std::ssize(wrong)) return;
    const Interval area = data_value::wrong_label_auroc(valued.values, wrong, bootstrap(request));
    told["auroc"] = to_json(area);
    out.summary += fmt::format(
        " A wrong label ({} rows) has the smaller value with chance "
        "{:.3f} [{:.3f}, {:.3f}].",
        count, area.estimate, area.lower, area.upper);
  }

  void tell_truth(const EvaluationRequest& request, const Valued& valued, const Valued& exact,
                  EvaluationResult& out) const {
    const std::size_t count = exact.rows.size();
    for (std::size_t i = 0; i < count; ++i) {
      if (valued.rows[i] == exact.rows[i]) continue;
      throw ConfigError("truth", fmt::format("run {} left out row {}, and that of `without` row "
                                             "{}; give both algorithms the same `change`",
                                             i, exact.rows[i], valued.rows[i]));
    }
    const std::span<const double> values(valued.values.data(), count);
    const data_value::Agreement agreement =
        data_value::agreement(values, exact.values, bootstrap(request));
    out.values["truth"] = {{"rows", count},
                           {"spearman", to_json(agreement.spearman)},
                           {"pearson", to_json(agreement.pearson)},
                           {"relative_error", finite(agreement.relative_error)}};
    out.summary += fmt::format(
        " Against retraining without each of {} rows: rank correlation "
        "{:.4f} [{:.4f}, {:.4f}], relative error {:.2g} %.",
        count, agreement.spearman.estimate, agreement.spearman.lower, agreement.spearman.upper,
        100 * agreement.relative_error);
    out.tensors["exact_values"] = at::tensor(exact.values, at::kDouble);
    out.exhibits.push_back({"scatter",
                            "Values against those of retraining",
                            {{"x", exact.values},
                             {"y", Json(std::vector<double>(values.begin(), values.end()))},
                             {"x_label", "retrained without the row"},
                             {"y_label", "value"}}});
  }

  DataValueParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("evaluations", "data_value", "1.0",
                 "What each training row is worth: the test loss without it", DataValue,
                 DataValueParams,
                 R"({"needs": ["runs"], "inputs": "sparse",
                     "run_count": {"before": 1, "without": "runs", "truth": "truth_runs"}})");

}  // namespace modeldiff
