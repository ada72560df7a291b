#include "analysis/retrained.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "analysis/json.h"
#include "analysis/statistics.h"

namespace modeldiff {
Json summary_of(std::span<const double> values, double confidence) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  Json out{{"estimate", finite(mean(values))},
           {"least", finite(*least)},
           {"most", finite(*most)},
           {"n", values.size()},
           {"lower", nullptr},
           {"upper", nullptr}};
  if (values.size() > 1) {
    const Interval interval = t_interval(values, confidence);
    out["lower"] = finite(interval.lower);
    out["upper"] = finite(interval.upper);
  }
  return out;
}

double test_score(const at::Tensor& outputs, const at::Tensor& targets, Task task) {
  if (task == Task::classification)
    return outputs.argmax(1).eq(targets).to(at::kDouble).mean().item<double>();
  const at::Tensor errors = outputs.to(at::kDouble) - targets.reshape_as(outputs);
  return errors.square().mean().sqrt().item<double>();
}

bool same_space(const RunSet& a, const RunSet& b) {
  const auto &of_a = a.predictor.model->parameters().entries(),
             &of_b = b.predictor.model->parameters().entries();
  return std::equal(
      of_a.begin(), of_a.end(), of_b.begin(), of_b.end(),
      [](const auto& x, const auto& y) { return x.name == y.name && x.shape == y.shape; });
}

void add_work(const Json& facts, Measures& out) {
  const auto work = facts.find("work");
  if (work == facts.end()) return;
  for (const auto& [name, value] : work->items())
    if (value.is_number()) out[name].push_back(value.get<double>());
}

double distance_on_axis(double distance) {
  constexpr double kLeastDistance = 1e-7;
  return std::log10(std::max(distance, kLeastDistance));
}

Json seconds_of(const RunSet& runs, const std::vector<const char*>& parts) {
  return {{"seconds_of", runs.keys}, {"parts", parts}};
}

Json times_of(const RunSet& runs, const RunSet& truth) {
  const auto faster = [&](const std::vector<const char*>& parts) {
    return Json{{"ratio", {seconds_of(truth, parts), seconds_of(runs, parts)}}};
  };
  return {{"seconds", seconds_of(runs, {"work"})},
          {"seconds_of_loading", seconds_of(runs, {"load"})},
          {"times_faster", faster({"work"})},
          {"times_faster_with_loading", faster({"load", "work"})}};
}

}  // namespace modeldiff
