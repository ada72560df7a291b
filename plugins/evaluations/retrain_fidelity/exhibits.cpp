#include "exhibits.h"

#include "analysis/statistics.h"

namespace modeldiff::retrain_fidelity {
std::vector<Exhibit> fidelity_against_work(const AllMeasures& measures) {
  Json x = Json::array(), y = Json::array(), labels = Json::array();
  for (const auto& [name, values] : measures) {
    const auto work = values.find("work_share"), distance = values.find("relative_distance");
    if (work == values.end() || distance == values.end() || !(mean(distance->second) > 0)) continue;
    x.push_back(mean(work->second));
    y.push_back(distance_on_axis(mean(distance->second)));
    labels.push_back(name);
  }
  if (x.empty()) return {};
  return {{"scatter",
           "Fidelity against work",
           {{"x", x},
            {"y", y},
            {"labels", labels},
            {"x_label", "gradients computed, share of retraining"},
            {"y_label", "log10 of (distance to the retrained weights / moved)"}}}};
}

Exhibit fidelity_against_time(const AllMeasures& measures,
                              const std::map<std::string, RunSet>& runs,
                              const std::string& before) {
  Json x = Json::array(), y = Json::array(), labels = Json::array();
  for (const auto& [name, values] : measures) {
    if (name == before) continue;
    x.push_back(seconds_of(runs.at(name), {"work"}));
    y.push_back(distance_on_axis(mean(values.at("prediction_distance"))));
    labels.push_back(name);
  }
  return {"scatter",
          "Fidelity against time",
          {{"x", x},
           {"y", y},
           {"labels", labels},
           {"x_label", "seconds of one run, median, without loading"},
           {"y_label", "log10 of the distance of its predictions from the retrained model's"}}};
}

std::vector<Exhibit> stream_errors(const StreamErrors& errors) {
  if (errors.empty()) return {};
  Json x = Json::array(), series = Json::array();
  for (std::size_t i = 0; i < errors.begin()->second.size(); ++i) x.push_back(i + 1);
  for (const auto& [name, shares] : errors) {
    std::vector<double> percents;
    for (const double share : shares) percents.push_back(100 * share);
    series.push_back({{"name", name}, {"y", percents}});
  }
  return {{"lines",
           "Distance to the retrained weights over a stream of requests, % of how far they moved",
           {{"x", x}, {"series", series}, {"x_label", "requests"}}}};
}

}  // namespace modeldiff::retrain_fidelity
