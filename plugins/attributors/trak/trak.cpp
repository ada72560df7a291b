#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "features.h"
#include "modeldiff/attributor.h"
#include "modeldiff/core/error.h"
#include "modeldiff/plugin.h"
#include "modeldiff/tensors.h"
#include "run_scores.h"
#include "trak_params.h"

namespace modeldiff {
namespace {

std::int64_t default_projection(std::int64_t parameters) {
  if (parameters < 50000) return 512;
  return parameters <= 200000 ? 1024 : 2048;
}

/// Scores from projected gradients: TRAK, Park et al. 2023, arXiv:2303.14186.
///   phi_r(z) = P_r' grad f(z; theta_r) / sqrt(k)
///   T_r[q, i] = phi_r(q)' (Phi_r'Phi_r + lambda_r I)^-1 phi_r(i)
///   score[q, i] = (mean_r T_r[q, i]) (mean_r (1 - p_r,i))^q_power
/// With several checkpoints T_r and 1 - p_r are means over those of the run.
/// The authors' code divides each inverse by its mean absolute entry; here runs keep their true
/// scale. P differs from run to run.
class TrakAttributor final : public Attributor {
 public:
  explicit TrakAttributor(const TrakParams& params) : params_(params) {}

  TensorMap score_run(const ScoreRunRequest& request) const override {
    std::vector<Weights> states;
    for (const Checkpoint& checkpoint : request.checkpoints) states.push_back(checkpoint.weights);
    if (params_.checkpoints == 0) states = {request.weights};
    const double share = 1.0 / static_cast<double>(states.size());
    at::Tensor scores, miss,
        lambda = at::empty({static_cast<std::int64_t>(states.size())}, at::kDouble);
    for (std::size_t i = 0; i < states.size(); ++i) {
      const StateScores one = score_state(request, states[i], i);
      lambda[static_cast<std::int64_t>(i)] = one.run.lambda;
      scores = i == 0 ? one.run.scores * share : scores.add_(one.run.scores, share);
      miss = i == 0 ? one.one_minus_p * share : miss.add_(one.one_minus_p, share);
    }
    return {{"scores", scores.to(at::kFloat)},
            {"one_minus_p", miss.to(at::kFloat)},
            {"lambda", lambda}};
  }

  Attribution combine(const CombineRequest& request) const override {
    if (request.runs.size() == 0) throw ShapeError("there are no runs to combine");
    const double runs = static_cast<double>(request.runs.size());
    at::Tensor scores = at::zeros({request.queries.size(), request.train.size()}, at::kDouble);
    at::Tensor miss = at::zeros({request.train.size()}, at::kDouble);
    Json lambdas = Json::array();
    for (std::int64_t i = 0; i < request.runs.size(); ++i) {
      const TensorMap run = request.runs.run(i);
      check_shape(run.at("scores"), scores.sizes());
      scores += run.at("scores");
      miss += run.at("one_minus_p");
      lambdas.push_back(run.at("lambda").mean().item<double>());
    }
    Attribution out;
    out.scores = (scores / runs * (miss / runs).pow(params_.q_power)).to(at::kFloat);
    out.facts = {{"runs", request.runs.size()}, {"q_power", params_.q_power}, {"lambda", lambdas}};
    return out;
  }

  bool combines_by_mean() const override { return params_.q_power == 0; }

  double memory_bytes(std::int64_t parameters, std::int64_t examples, std::int64_t queries,
                      std::int64_t /*runs*/) const override {
    constexpr double kPasses = 300e6;  // forward and backward passes, blocks of P
    const auto k = static_cast<double>(columns(parameters));
    const auto n = static_cast<double>(examples);
    const auto m = static_cast<double>(queries);
    const double features = std::min(4 * n * k, memory_cap());
    return kPasses + features + 4 * m * k + 8 * k * k + 16 * m * k + 4 * n * m;
  }

 private:
  std::int64_t columns(std::int64_t parameters) const {
    if (params_.projection_kind == ProjectionKind::identity) return parameters;
    return params_.projection.value_or(default_projection(parameters));
  }

  double memory_cap() const { return static_cast<double>(params_.memory) * 1024 * 1024; }

  struct StateScores {
    trak::RunScores run;
    at::Tensor one_minus_p;
  };

  /// The scores of one state of a run; each has a projection of its own.
  StateScores score_state(const ScoreRunRequest& request, const Weights& weights,
                          std::size_t index) const {
    const trak::FeatureRequest wanted{request.predictor,
                                      weights,
                                      request.facts.task,
                                      request.measurement,
                                      params_.projection_kind,
                                      columns(request.predictor.model->parameters().count()),
                                      derive_seed(request.seed, "state", index),
                                      params_.batch,
                                      request.progress};
    const trak::Features train = trak::features(
        wanted, request.train, {static_cast<std::int64_t>(memory_cap()), request.scratch});
    const trak::Features queries = trak::features(wanted, request.queries);
    request.progress.check_stop();
    const at::NoGradGuard no_gradients;
    return {trak::run_scores(train, queries.rows.all(), request.subset,
                             {params_.damping, params_.newton}),
            train.one_minus_p};
  }

  static void check_shape(const at::Tensor& found, at::IntArrayRef expected) {
    if (found.sizes() == expected) return;
    throw ShapeError(fmt::format("scores of a run are {}, expected [{}, {}]", shape_text(found),
                                 expected[0], expected[1]));
  }

  TrakParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("attributors", "trak", "2.0",
                 "Scores from projected gradients (TRAK, Park et al. 2023)", TrakAttributor,
                 TrakParams, R"({"runs": "all", "checkpoints": "checkpoints"})")

}  // namespace modeldiff
