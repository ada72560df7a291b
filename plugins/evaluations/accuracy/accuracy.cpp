#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <vector>

#include "accuracy_params.h"
#include "analysis/statistics.h"
#include "modeldiff/evaluation.h"
#include "modeldiff/plugin.h"

namespace modeldiff {
namespace {

/// Some of the test set: all of it, a class, a group.
struct Part {
  std::string name;
  at::Tensor rows;  // [k] int64
};

Json interval_of(const at::Tensor& by_run, double confidence) {
  const at::Tensor values = by_run.to(at::kDouble).contiguous();
  const std::span<const double> span(values.const_data_ptr<double>(),
                                     static_cast<std::size_t>(values.numel()));
  if (span.size() < 2) return {{"estimate", span.front()}, {"lower", nullptr}, {"upper", nullptr}};
  const Interval interval = t_interval(span, confidence);
  return {{"estimate", interval.estimate}, {"lower", interval.lower}, {"upper", interval.upper}};
}

/// Share of test examples that are classified right (regression: 1 - error / variance), by class
/// and group; mean over training runs with its t interval.
class Accuracy final : public Evaluation {
 public:
  explicit Accuracy(AccuracyParams params) : params_(params) {}

  EvaluationResult evaluate(const EvaluationRequest& request) const override {
    const bool classes = request.facts.task == Task::classification;
    const std::vector<Part> parts = parts_of(request, classes);
    EvaluationResult out;
    std::vector<std::string> summaries;
    Json labels = Json::array(), rows = Json::array(), columns = Json::array({"part", "examples"});
    for (const Part& part : parts) rows.push_back({part.name, part.rows.size(0)});
    Json bar_values = Json::array(), lower = Json::array(), upper = Json::array();
    for (const auto& [name, runs] : request.runs) {
      std::vector<at::Tensor> by_run;
      for (std::size_t run = 0; run < runs.keys.size(); ++run) {
        request.progress.check_stop();
        const at::Tensor scores = row_scores(
            request, runs.predictor.outputs(runs.weights(run), request.test.inputs), classes);
        std::vector<at::Tensor> of_parts;
        for (const Part& part : parts) of_parts.push_back(scores.index_select(0, part.rows).mean());
        by_run.push_back(at::stack(of_parts));
      }
      const at::Tensor table = at::stack(by_run);  // [runs, parts]
      columns.push_back(name);
      for (std::size_t i = 0; i < parts.size(); ++i) {
        const Json interval =
            interval_of(table.select(1, static_cast<std::int64_t>(i)), params_.confidence);
        out.values[name][parts[i].name] = interval;
        rows[i].push_back(interval.at("estimate"));
        if (i > 0) continue;
        labels.push_back(name);
        bar_values.push_back(interval.at("estimate"));
        lower.push_back(interval.at("lower"));
        upper.push_back(interval.at("upper"));
        summaries.push_back(
            fmt::format("{} {:.1f} %", name, 100 * interval.at("estimate").get<double>()));
      }
    }
    out.summary = fmt::format("Test {}: {}.", classes ? "accuracy" : "variance explained",
                              fmt::join(summaries, ", "));
    out.exhibits.push_back(
        {"bars",
         "All test examples, mean over training runs",
         {{"labels", labels}, {"values", bar_values}, {"lower", lower}, {"upper", upper}}});
    out.exhibits.push_back({"table", "By class and group", {{"columns", columns}, {"rows", rows}}});
    return out;
  }

 private:
  static std::vector<Part> parts_of(const EvaluationRequest& request, bool classes) {
    std::vector<Part> parts{{"all", at::arange(request.test.size())}};
    const auto add = [&](const std::string& name, const at::Tensor& mask) {
      if (const at::Tensor rows = mask.nonzero().squeeze(1); rows.size(0) > 0)
        parts.push_back({name, rows});
    };
    for (std::int64_t c = 0; classes && c < request.facts.outputs; ++c) {
      const auto& names = request.facts.class_names;
      add(fmt::format("class {}", static_cast<std::size_t>(c) < names.size()
                                      ? names[static_cast<std::size_t>(c)]
                                      : fmt::format("{}", c)),
          request.test.targets.eq(c));
    }
    if (request.test.groups.defined()) {
      for (std::size_t g = 0; g < request.facts.groups.size(); ++g) {
        add("group " + request.facts.groups[g],
            request.test.groups.eq(static_cast<std::int64_t>(g)));
      }
    }
    if (request.test.planted.defined()) {
      add("planted", request.test.planted);
      add("not planted", request.test.planted.logical_not());
    }
    return parts;
  }

  static at::Tensor row_scores(const EvaluationRequest& request, const at::Tensor& outputs,
                               bool classes) {
    if (classes) return outputs.argmax(1).eq(request.test.targets).to(at::kDouble);
    const at::Tensor targets = request.test.targets.to(at::kDouble);
    const at::Tensor error = (outputs.to(at::kDouble) - targets).square().mean(1);
    return 1 - error / (targets - targets.mean(0)).square().mean();
  }

  AccuracyParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("evaluations", "accuracy", "1.0",
                 "Test accuracy by class and group, with intervals over runs", Accuracy,
                 AccuracyParams, R"({"needs": ["runs"], "inputs": "sparse"})");

}  // namespace modeldiff
