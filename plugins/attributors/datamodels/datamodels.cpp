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
#include "modeldiff/run_sums.h"
#include "modeldiff/tensors.h"

namespace modeldiff {
namespace {

/// Runs that are read together.
constexpr std::int64_t kBlock = 256;
/// With fewer of a share nothing can be said of them.
constexpr std::int64_t kFewestOfShare = 4;

/// The shares of the training set that runs were drawn with.
struct Shares {
  std::vector<double> keep;             // in the order of their first runs
  std::vector<std::int64_t> stratum;    // [m] index into keep
  std::vector<std::int64_t> run_count;  // of each share

  explicit Shares(const ScoredRuns& runs) {
    for (std::int64_t run = 0; run < runs.size(); ++run) {
      const auto found = std::find(keep.begin(), keep.end(), runs.keep(run));
      stratum.push_back(found - keep.begin());
      if (found == keep.end()) {
        keep.push_back(runs.keep(run));
        run_count.push_back(0);
      }
      ++run_count[stratum.back()];
    }
    const std::int64_t fewest =
        keep.empty() ? 0 : *std::min_element(run_count.begin(), run_count.end());
    if (fewest < kFewestOfShare) {
      throw ShapeError(fmt::format("datamodels need at least {} subset runs of each share, got {}",
                                   kFewestOfShare, fewest));
    }
  }

  std::int64_t runs() const { return static_cast<std::int64_t>(stratum.size()); }
};

/// Of `runs`, how many choose the penalty.
std::int64_t heldout_count(std::int64_t runs, double share) {
  const auto wanted = static_cast<std::int64_t>(std::lround(share * static_cast<double>(runs)));
  return std::clamp<std::int64_t>(wanted, 1, runs - 2);
}

/// Which runs choose the penalty, [m] bool: so many of each share, a function of their number alone,
/// so that both sides of a comparison hold out the same masks.
at::Tensor heldout_runs(const Shares& shares, double share) {
  std::vector<std::vector<bool>> of_share;
  for (const std::int64_t runs : shares.run_count) {
    std::vector<bool>& out = of_share.emplace_back(runs);
    for (const std::int64_t run :
         RandomStream(0, "datamodels-heldout", static_cast<std::uint64_t>(runs))
             .choose(runs, heldout_count(runs, share)))
      out[run] = true;
  }
  at::Tensor heldout = at::empty({shares.runs()}, at::kBool);
  std::vector<std::int64_t> seen(of_share.size());
  for (std::int64_t run = 0; run < shares.runs(); ++run) {
    const std::int64_t s = shares.stratum[run];
    heldout.mutable_data_ptr<bool>()[run] = of_share[s][seen[s]++];
  }
  return heldout;
}

/// [count, N] measurements of runs first .. first + count - 1.
at::Tensor measurements_of(const CombineRequest& request, std::int64_t first, std::int64_t count) {
  at::Tensor out = at::empty({count, request.queries.size()}, at::kFloat);
  for (std::int64_t i = 0; i < count; ++i) {
    const TensorMap run = request.runs.run(first + i);
    const auto found = run.find("measurements");
    if (found == run.end() || found->second.dim() != 1 ||
        found->second.size(0) != request.queries.size()) {
      throw ShapeError(fmt::format(
          "run {} of {} has measurements {}, expected [{}]", first + i, request.runs.size(),
          found == run.end() ? "of no shape" : shape_text(found->second), request.queries.size()));
    }
    out[i].copy_(found->second);
  }
  return out;
}

at::Tensor masks_of(const CombineRequest& request, std::int64_t first, std::int64_t count) {
  const at::Tensor masks = request.runs.masks(first, count);
  if (!masks.defined() || masks.dim() != 2 || masks.size(0) != count ||
      masks.size(1) != request.train.size()) {
    throw ShapeError(fmt::format(
        "masks must be [{}, {}] runs x training examples, got {}", count, request.train.size(),
        masks.defined() ? shape_text(masks) : "none: the runs had all examples"));
  }
  return masks;
}

/// Reads all runs, a block at a time.
/// @param heldout [m] bool or undefined
void add_runs(const CombineRequest& request, const Shares& shares, const at::Tensor& heldout,
              RunSums& sums) {
  const at::Tensor strata = at::tensor(shares.stratum, at::kLong);
  for (std::int64_t first = 0; first < shares.runs(); first += kBlock) {
    request.progress.check_stop();
    request.progress.update(static_cast<double>(first) / static_cast<double>(shares.runs()),
                            "reading runs");
    const std::int64_t count = std::min(kBlock, shares.runs() - first);
    const at::Tensor masks = masks_of(request, first, count);
    sums.add(masks, measurements_of(request, first, count), strata.narrow(0, first, count),
             heldout.defined() ? heldout.narrow(0, first, count) : heldout);
  }
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
    const Shares shares(request.runs);
    const bool sparse = params_.estimator == DatamodelEstimator::lasso;
    RunSums sums(request.train.size(), request.queries.size(), request.threads);
    add_runs(request, shares, sparse ? heldout_runs(shares, params_.heldout) : at::Tensor(), sums);

    Attribution out;
    out.facts = {{"runs", shares.runs()}, {"keep", shares.keep}};
    if (sparse) fit(request, sums, out);
    sums.release_heldout();
    out.raw = sums.difference_of_means().to(at::kFloat);
    out.output_covariance = sums.measurement_covariance();
    out.noise_scale = sums.noise_scale();
    if (!sparse) out.scores = out.raw;
    return out;
  }

  double memory_bytes(std::int64_t /*parameters*/, std::int64_t examples, std::int64_t queries,
                      std::int64_t runs) const override {
    constexpr double kForward = 100e6;
    const bool sparse = params_.estimator == DatamodelEstimator::lasso;
    const std::int64_t heldout =
        sparse ? heldout_count(std::max(runs, kFewestOfShare), params_.heldout) : 0;
    const double scores = (4 + 4) * static_cast<double>(queries) * static_cast<double>(examples);
    const double block = static_cast<double>(std::min(kBlock, runs) * (examples + 12 * queries));
    return kForward + scores + block + RunSums::memory_bytes(examples, queries, runs, heldout);
  }

 private:
  void fit(const CombineRequest& request, RunSums& sums, Attribution& out) const {
    LassoPath path;
    path.lambdas = params_.lambdas;
    path.ratio = params_.ratio;
    path.refit = params_.refit;
    path.patience = params_.patience;
    request.progress.check_stop();
    const std::int64_t heldout = sums.heldout_runs();
    const LassoFit fit = lasso_path(sums, path, {.gap = params_.gap});
    out.scores = fit.weights.to(at::kFloat);
    out.per_query = {
        {"lambda", fit.lambdas},
        {"gap", fit.gaps},
        {"nonzeros", fit.nonzeros},
        {"heldout_error", fit.heldout_errors.gather(1, fit.chosen.unsqueeze(1)).squeeze(1)},
        {"heldout_error_of_mean", fit.heldout_errors.select(1, 0).contiguous()}};
    out.facts.update(
        {{"heldout_runs", heldout},
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

MODELDIFF_PLUGIN("attributors", "datamodels", "1.1",
                 "Sparse regression of outputs on training subsets (Ilyas et al. 2022)",
                 DatamodelsAttributor, DatamodelsParams, R"({"runs": "subsets"})")

}  // namespace modeldiff
