#include "my_plugin_params.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <vector>

#include "modeldiff/attributor.h"
#include "modeldiff/layers.h"
#include "modeldiff/plugin.h"

namespace modeldiff {
namespace {

/// What one gradient step on a training example does to a query, to first order:
///   score[q, i] = mean over runs of grad f(q)' grad (-L(i)),
/// f the measurement, L the loss, at the trained weights.
/// TracIn with one checkpoint and learning rate 1: Pruthi et al. 2020, arXiv:2002.08484.
class MyPluginAttributor final : public Attributor {
 public:
  explicit MyPluginAttributor(const MyPluginParams& params) : params_(params) {}

  TensorMap score_run(const ScoreRunRequest& request) const override {
    const at::Tensor queries = gradients(request, request.queries, request.measurement);
    std::vector<at::Tensor> scores;
    for (std::int64_t begin = 0; begin < request.train.size(); begin += params_.batch) {
      request.progress.check_stop();
      const std::int64_t end = std::min(begin + params_.batch, request.train.size());
      const Examples& train = request.train;
      const Examples rows{
          train.inputs.slice(0, begin, end), train.targets.slice(0, begin, end), {}, {}};
      scores.push_back(at::matmul(queries, gradients(request, rows, Measurement::loss).t()));
      request.progress.update(static_cast<double>(end) / static_cast<double>(request.train.size()),
                              "gradients");
    }
    return {{"scores", at::cat(scores, 1)}};
  }

  Attribution combine(const CombineRequest& request) const override {
    at::Tensor sum = at::zeros({request.queries.size(), request.train.size()}, at::kDouble);
    for (std::int64_t i = 0; i < request.runs.size(); ++i) sum += request.runs.run(i).at("scores");
    Attribution out;
    out.scores = sum.div(static_cast<double>(request.runs.size())).to(at::kFloat);
    return out;
  }

  bool combines_by_mean() const override { return true; }

  double memory_bytes(std::int64_t parameters, std::int64_t examples, std::int64_t queries,
                      std::int64_t /*runs*/) const override {
    const auto p = static_cast<double>(parameters), n = static_cast<double>(examples),
               q = static_cast<double>(queries);
    return 4 * (2 * q * p + 2 * static_cast<double>(params_.batch) * p + 2 * q * n);
  }

 private:
  /// Of the measurement, for each row; `loss` is negated, so that more of either is better. @return
  /// [n, p]
  static at::Tensor gradients(const ScoreRunRequest& request, const Examples& rows,
                              Measurement measurement) {
    const Model& model = *request.predictor.model;
    LayerTape tape;
    Pass pass;
    pass.tape = &tape;
    const at::Tensor outputs =
        model.forward(request.weights, request.predictor.view.apply(rows.inputs), pass);
    const std::vector<at::Tensor> deltas =
        tape.output_gradients(measure(measurement, outputs, rows.targets).sum());
    at::Tensor out = at::zeros({rows.size(), model.parameters().count()}, at::kFloat);
    for (std::size_t i = 0; i < deltas.size(); ++i) {
      const LayerRecord& layer = tape.records()[i];
      const at::Tensor gradient = per_example_gradients(layer, deltas[i]);
      // A layer may be used more than once.
      out.narrow(1, model.parameters().at(layer.name + ".weight").offset, gradient.size(1))
          .add_(gradient);
    }
    return out;
  }

  MyPluginParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("attributors", "my_plugin", "0.1-dev",
                 "Dot products of gradients at the trained weights", MyPluginAttributor,
                 MyPluginParams, R"({"runs": "all"})")

}  // namespace modeldiff
