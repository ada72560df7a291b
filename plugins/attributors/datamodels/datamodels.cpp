#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "datamodels_params.h"
#include "modeldiff/attributor.h"
#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"
#include "modeldiff/lasso.h"
#include "modeldiff/plugin.h"
#include "modeldiff/tensors.h"

namespace modeldiff {
namespace {

/// The runs that choose the penalty: a function of the number of runs alone, so that both sides of
/// a comparison hold out the same masks.
at::Tensor heldout_runs(std::int64_t runs, double share) {
  const auto wanted = static_cast<std::int64_t>(std::lround(share * static_cast<double>(runs)));
  const std::int64_t count = std::clamp<std::int64_t>(wanted, 1, runs - 2);
  const std::vector<std::int64_t> rows =
      RandomStream(0, "datamodels-heldout", static_cast<std::uint64_t>(runs)).choose(runs, count);
  return at::tensor(rows, at::kLong);
}

/// [m, N] measurements of all runs.
at::Tensor stacked_measurements(const CombineRequest& request) {
  std::vector<at::Tensor> rows;
  for (const TensorMap& run : request.runs) {
    const auto found = run.find("measurements");
    if (found == run.end() || found->second.dim() != 1 ||
        found->second.size(0) != request.queries.size()) {
      throw ShapeError(fmt::format(
          "run {} of {} has measurements {}, expected [{}]", rows.size(), request.runs.size(),
          found == run.end() ? "of no shape" : shape_text(found->second), request.queries.size()));
    }
    rows.push_back(found->second);
  }
  return at::stack(rows);
}

void check_masks(const CombineRequest& request) {
  constexpr std::int64_t kFewest = 4;
  const auto runs = static_cast<std::int64_t>(request.runs.size());
  if (runs < kFewest)
    throw ShapeError(fmt::format("datamodels need at least {} subset runs, got {}", kFewest, runs));
  if (!request.masks.defined() || request.masks.dim() != 2 || request.masks.size(0) != runs ||
      request.masks.size(1) != request.train.size()) {
    throw ShapeError(fmt::format(
        "masks must be [{}, {}] runs x training examples, got {}", runs, request.train.size(),
        request.masks.defined() ? shape_text(request.masks) : "none: the runs had all examples"));
  }
}

/// Mean with an example less mean without: cov(y, mask_i) / var(mask_i), mask units. @return [N, n]
/// float64
at::Tensor mask_unit_scores(const at::Tensor& masks, const at::Tensor& measurements, int threads) {
  const at::Tensor share = masks.to(at::kFloat).mean(0, /*keepdim=*/false, at::kDouble);
  const at::Tensor deviation = (share * (1 - share)).sqrt();
  const at::Tensor standardised = difference_of_means(masks, measurements, threads);
  return at::where(deviation.gt(0), standardised / deviation.clamp_min(1e-300), 0.0);
}

Json summary_of(const at::Tensor& values) {
  const at::Tensor sorted = std::get<0>(values.to(at::kDouble).sort());
  return {{"least", sorted[0].item<double>()},
          {"median", sorted[(sorted.size(0) - 1) / 2].item<double>()},
          {"most", sorted[-1].item<double>()}};
}

/// Datamodels: Ilyas et al. 2022, arXiv:2202.00622. Each query's measurement is regressed on which
/// training examples the run had. Weights are the change of the measurement when an example is
/// present; the authors' solver returns them per standard deviation of the mask, half as large at
/// keep .5.
class DatamodelsAttributor final : public Attributor {
 public:
  explicit DatamodelsAttributor(const DatamodelsParams& params) : params_(params) {}

  TensorMap score_run(const ScoreRunRequest& request) const override {
    const at::NoGradGuard no_gradients;
    const at::Tensor outputs = request.predictor.outputs(request.weights, request.queries.inputs);
    const at::Tensor measurements = measure(request.measurement, outputs, request.queries.targets);
    if (!at::isfinite(measurements).all().item<bool>()) {
      throw NumericalError("a measurement of the queries is not finite");
    }
    return {{"measurements", measurements.to(at::kFloat)}};
  }

  Attribution combine(const CombineRequest& request) const override {
    check_masks(request);
    const at::Tensor measurements = stacked_measurements(request);
    const at::Tensor deviations =
        measurements.to(at::kDouble) - measurements.mean(0, /*keepdim=*/true, at::kDouble);
    const auto runs = static_cast<double>(request.runs.size());
    const double keep = request.masks.to(at::kFloat).mean(at::kDouble).item<double>();

    Attribution out;
    const at::Tensor raw = mask_unit_scores(request.masks, measurements, request.threads);
    out.raw = raw.to(at::kFloat);
    out.output_covariance = at::matmul(deviations.t(), deviations) / (runs - 1);
    out.noise_scale = 1 / (runs * keep * (1 - keep));
    out.facts = {{"runs", request.runs.size()}, {"keep", keep}};
    if (params_.estimator == DatamodelEstimator::difference_of_means) {
      out.scores = out.raw;
      return out;
    }
    request.progress.check_stop();
    fit(request, measurements, out);
    return out;
  }

  double memory_bytes(std::int64_t /*parameters*/, std::int64_t /*examples*/,
                      std::int64_t queries) const override {
    constexpr double kForward = 100e6;
    return kForward + 8 * static_cast<double>(queries);
  }

 private:
  void fit(const CombineRequest& request, const at::Tensor& measurements, Attribution& out) const {
    LassoPath path;
    path.lambdas = params_.lambdas;
    path.ratio = params_.ratio;
    path.refit = params_.refit;
    path.patience = params_.patience;
    LassoOptions options;
    options.gap = params_.gap;
    options.threads = request.threads;
    const at::Tensor heldout = heldout_runs(measurements.size(0), params_.heldout);
    const LassoFit fit = lasso_path(request.masks, measurements, heldout, path, options);
    out.scores = fit.weights.to(at::kFloat);
    out.facts.update(
        {{"heldout_runs", heldout.size(0)},
         {"worst_gap", fit.worst_gap},
         {"unconverged", fit.unconverged},
         {"lambda", summary_of(fit.lambdas)},
         {"lambda_of_largest", summary_of(fit.lambdas / fit.lambda_max.clamp_min(1e-300))},
         {"nonzeros", summary_of(fit.nonzeros)},
         {"sweeps", fit.sweeps.sum().item<std::int64_t>()},
         {"empty_queries", fit.nonzeros.eq(0).sum().item<std::int64_t>()}});
  }

  DatamodelsParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("attributors", "datamodels", "1.0",
                 "Sparse regression of outputs on training subsets (Ilyas et al. 2022)",
                 DatamodelsAttributor, DatamodelsParams, R"({"runs": "subsets"})")

}  // namespace modeldiff
