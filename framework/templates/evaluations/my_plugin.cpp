#include "my_plugin_params.h"

#include <ATen/core/Tensor.h>

#include <cmath>
#include <string>

#include "modeldiff/core/error.h"
#include "modeldiff/evaluation.h"
#include "modeldiff/plugin.h"

namespace modeldiff {
namespace {

/// Mean probability that a model gives to the class it predicts, and the share of test examples
/// where it is sure; both averaged over training runs.
class MyPluginEvaluation final : public Evaluation {
 public:
  explicit MyPluginEvaluation(const MyPluginParams& params) : params_(params) {}

  EvaluationResult evaluate(const EvaluationRequest& request) const override {
    if (request.facts.task != Task::classification)
      throw ConfigError("", "needs classes, and the data set has none");
    EvaluationResult out;
    Json labels = Json::array(), means = Json::array(), rows = Json::array();
    for (const auto& [name, runs] : request.runs) {
      const auto count = static_cast<double>(runs.keys.size());
      double mean = 0, sure = 0;
      for (std::size_t run = 0; run < runs.keys.size(); ++run) {
        request.progress.check_stop();
        const at::Tensor outputs = runs.predictor.outputs(runs.weights(run), request.test.inputs);
        const at::Tensor confidence = outputs.softmax(1).amax(1);  // [n]
        mean += confidence.mean().item<double>() / count;
        sure += confidence.ge(params_.sure).to(at::kDouble).mean().item<double>() / count;
      }
      out.values[name] = {{"mean", mean}, {"sure", sure}};
      out.summary +=
          (out.summary.empty() ? "Mean confidence: " : ", ") + name + " " + percent(mean);
      labels.push_back(name);
      means.push_back(mean);
      rows.push_back({name, mean, sure});
    }
    out.exhibits.push_back({"bars", "Mean confidence", {{"labels", labels}, {"values", means}}});
    out.exhibits.push_back(
        {"table", "Confidence", {{"columns", {"algorithm", "mean", "sure"}}, {"rows", rows}}});
    return out;
  }

 private:
  static std::string percent(double share) {
    return std::to_string(std::lround(100 * share)) + " %";
  }

  MyPluginParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("evaluations", "my_plugin", "0.1-dev", "How sure models are of their predictions",
                 MyPluginEvaluation, MyPluginParams, R"({"needs": ["runs"]})")

}  // namespace modeldiff
