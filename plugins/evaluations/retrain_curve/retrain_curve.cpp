#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "analysis/retrained.h"
#include "analysis/statistics.h"
#include "modeldiff/core/error.h"
#include "modeldiff/evaluation.h"
#include "modeldiff/plugin.h"
#include "retrain_curve_params.h"

namespace modeldiff {
namespace {

struct Point {
  Measures truth;
  std::map<std::string, Measures> series;
};

/// How fidelity and work of rapid retraining move with one quantity: the share of rows that go, the
/// period of the exact steps, the batch size.
class RetrainCurve final : public Evaluation {
 public:
  explicit RetrainCurve(RetrainCurveParams params) : params_(std::move(params)) {
    check_count("before", params_.before, true);
    check_count("truth", params_.truth, true);
    for (const auto& [name, algorithms] : params_.series) {
      check_count("series." + name, algorithms, false);
      if (name == "truth") throw ConfigError("series.truth", "is how the truth itself is told");
    }
    if (params_.series.empty()) throw ConfigError("series", "has no line: at least one is needed");
    if (params_.logarithmic &&
        !std::all_of(params_.x.begin(), params_.x.end(), [](double x) { return x > 0; }))
      throw ConfigError("x", "must be positive, since it is drawn by its logarithm");
  }

  EvaluationResult evaluate(const EvaluationRequest& request) const override {
    std::vector<Point> points(params_.x.size());
    for (std::size_t i = 0; i < points.size(); ++i) {
      for (std::int64_t run = 0; run < params_.runs; ++run) {
        request.progress.check_stop();
        measure(request, i, static_cast<std::size_t>(run), points[i]);
      }
      request.progress.update(static_cast<double>(i + 1) / static_cast<double>(points.size()),
                              fmt::format("{} of {} points", i + 1, points.size()));
    }
    EvaluationResult out;
    out.values = values_of(request, points);
    out.summary = summary(points);
    out.exhibits.push_back(table(request, points, out.values));
    out.exhibits.push_back(
        chart("Distance to the retrained weights, log10 of the share of how far "
              "retraining moved them",
              [&](const std::string& name, std::size_t i) {
                return distance_of(points[i].series.at(name));
              }));
    out.exhibits.push_back(chart("Gradients computed, share of retraining",
                                 [&](const std::string& name, std::size_t i) {
                                   return mean_of(points[i].series.at(name), "work_share");
                                 }));
    out.exhibits.push_back(chart("Times faster than retraining, median of the runs",
                                 [&](const std::string& name, std::size_t i) {
                                   return out.values.at(name)[i].at("times_faster");
                                 }));
    return out;
  }

 private:
  void check_count(const std::string& key, const std::vector<Reference>& algorithms,
                   bool may_be_one) const {
    if (algorithms.size() == params_.x.size() || (may_be_one && algorithms.size() == 1)) return;
    throw ConfigError(key, fmt::format("has {} entries, and `x` has {}: one is needed for each "
                                       "point{}",
                                       algorithms.size(), params_.x.size(),
                                       may_be_one ? ", or one for all" : ""));
  }

  static const RunSet& runs_at(const EvaluationRequest& request,
                               const std::vector<Reference>& algorithms, std::size_t point) {
    return request.runs.at(algorithms[algorithms.size() == 1 ? 0 : point].name);
  }

  void measure(const EvaluationRequest& request, std::size_t i, std::size_t run,
               Point& point) const {
    const auto score_of = [&](const RunSet& runs, const Weights& weights) {
      return test_score(runs.predictor.outputs(weights, request.test.inputs), request.test.targets,
                        request.facts.task);
    };
    const RunSet& truth_runs = runs_at(request, params_.truth, i);
    const Weights truth = truth_runs.weights(run);
    const auto distance_to_truth = [&](const Weights& weights) {
      return (weights.parameters.to(at::kDouble) - truth.parameters.to(at::kDouble))
          .norm()
          .item<double>();
    };
    const double moved = distance_to_truth(runs_at(request, params_.before, i).weights(run));
    const double truth_score = score_of(truth_runs, truth);
    point.truth["moved"].push_back(moved);
    point.truth["score"].push_back(truth_score);
    for (const auto& [name, algorithms] : params_.series) {
      const RunSet& runs = runs_at(request, algorithms, i);
      const Weights weights = runs.weights(run);
      Measures& out = point.series[name];
      if (same_space(runs, truth_runs)) {
        const double distance = distance_to_truth(weights);
        out["distance"].push_back(distance);
        out["relative_distance"].push_back(moved > 0 ? distance / moved : kNaN);
      }
      out["score"].push_back(score_of(runs, weights));
      out["score_gap"].push_back(out["score"].back() - truth_score);
      add_work(runs.facts(run), out);
    }
  }

  static Json mean_of(const Measures& measures, const char* name) {
    const auto at = measures.find(name);
    return at == measures.end() ? Json() : summary_of(at->second, 0.95).at("estimate");
  }

  static Json distance_of(const Measures& measures) {
    const Json distance = mean_of(measures, "relative_distance");
    return distance.is_null() ? distance : Json(distance_on_axis(distance.get<double>()));
  }

  // ---- what is told ----

  /// By the name of a line, and of the truth: one object a point.
  Json values_of(const EvaluationRequest& request, const std::vector<Point>& points) const {
    Json out = Json::object();
    for (std::size_t i = 0; i < points.size(); ++i) {
      const RunSet& truth = runs_at(request, params_.truth, i);
      Json told = summaries(points[i].truth, params_.x[i]);
      told["seconds"] = seconds_of(truth, {"work"});
      out["truth"].push_back(told);
      for (const auto& [name, measures] : points[i].series) {
        told = summaries(measures, params_.x[i]);
        told.update(times_of(runs_at(request, params_.series.at(name), i), truth));
        out[name].push_back(told);
      }
    }
    return out;
  }

  Json summaries(const Measures& measures, double x) const {
    Json out{{"x", x}};
    for (const auto& [what, by_run] : measures) out[what] = summary_of(by_run, params_.confidence);
    return out;
  }

  Exhibit table(const EvaluationRequest& request, const std::vector<Point>& points,
                const Json& values) const {
    const std::string score =
        request.facts.task == Task::classification ? "test accuracy" : "test RMSE";
    const Json columns{params_.x_label,
                       "line",
                       "distance / moved",
                       "moved",
                       score,
                       score + ", retrained",
                       "exact steps",
                       "gradients, share of retraining",
                       "seconds",
                       "times faster",
                       "... with loading the trajectory"};
    Json rows = Json::array();
    for (std::size_t i = 0; i < points.size(); ++i) {
      for (const auto& [name, measures] : points[i].series) {
        const Json& told = values.at(name)[i];
        rows.push_back({params_.x[i], name, mean_of(measures, "relative_distance"),
                        mean_of(points[i].truth, "moved"), mean_of(measures, "score"),
                        mean_of(points[i].truth, "score"), mean_of(measures, "exact_steps"),
                        mean_of(measures, "work_share"), told.at("seconds"),
                        told.at("times_faster"), told.at("times_faster_with_loading")});
      }
    }
    return {"table",
            "Rapidly retrained models, point by point",
            {{"columns", columns}, {"rows", rows}}};
  }

  template <typename ValueOf>
  Exhibit chart(const std::string& title, const ValueOf& value_of) const {
    Json x = Json::array(), series = Json::array();
    for (const double value : params_.x)
      x.push_back(params_.logarithmic ? std::log10(value) : value);
    for (const auto& [name, algorithms] : params_.series) {
      Json y = Json::array();
      for (std::size_t i = 0; i < params_.x.size(); ++i) y.push_back(value_of(name, i));
      series.push_back({{"name", name}, {"y", y}});
    }
    const std::string label =
        params_.logarithmic ? fmt::format("log10 of {}", params_.x_label) : params_.x_label;
    return {"lines", title, {{"x", x}, {"series", series}, {"x_label", label}}};
  }

  std::string summary(const std::vector<Point>& points) const {
    std::vector<std::string> sentences;
    for (const auto& [name, algorithms] : params_.series) {
      std::vector<double> distances;
      for (const Point& point : points) {
        const Json distance = mean_of(point.series.at(name), "relative_distance");
        if (distance.is_number()) distances.push_back(100 * distance.get<double>());
      }
      if (distances.empty()) continue;
      const auto [least, most] = std::minmax_element(distances.begin(), distances.end());
      sentences.push_back(fmt::format("{} {:.2g} to {:.2g} %", name, *least, *most));
    }
    return fmt::format(
        "Distance to the retrained weights, as a share of how far retraining moved "
        "them, with {} from {} to {} (mean of {} run{}): {}.",
        params_.x_label, *std::min_element(params_.x.begin(), params_.x.end()),
        *std::max_element(params_.x.begin(), params_.x.end()), params_.runs,
        params_.runs == 1 ? "" : "s", fmt::join(sentences, ", "));
  }

  RetrainCurveParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("evaluations", "retrain_curve", "1.0",
                 "How fidelity and work of rapid retraining move with one quantity", RetrainCurve,
                 RetrainCurveParams,
                 R"({"needs": ["runs"], "inputs": "sparse", "run_count": "runs"})");

}  // namespace modeldiff
