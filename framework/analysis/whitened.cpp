#include "analysis/whitened.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "analysis/lanczos.h"
#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"
#include "modeldiff/tensors.h"

namespace modeldiff {
namespace {

void check_side(const NoisyScores& side, const char* name) {
  if (side.scores.dim() != 2 || side.output_covariance.dim() != 2 ||
      side.output_covariance.size(0) != side.scores.size(0) ||
      side.output_covariance.size(1) != side.scores.size(0)) {
    throw ShapeError(
        fmt::format("scores {} [queries, training examples] of {} do not fit its covariance {} "
                    "[queries, queries]",
                    shape_text(side.scores), name, shape_text(side.output_covariance)));
  }
  if (!(side.noise_scale > 0)) {
    throw ShapeError(
        fmt::format("the noise scale of {} must be above 0, got {}", name, side.noise_scale));
  }
}

/// W_A - c W_B with its noise, in float64.
struct Contrast {
  double coefficient = 0;
  at::Tensor a, b;        // [N, n]
  at::Tensor residual;    // [N, n]
  at::Tensor covariance;  // [N, N], as estimated
  at::Tensor cholesky;    // L of the shrunk covariance
};

double attenuation_corrected_slope(const at::Tensor& a, const at::Tensor& b,
                                   const NoisyScores& noise_b) {
  const double length = b.square().sum().item<double>();
  const double noise = static_cast<double>(b.size(1)) * noise_b.noise_scale *
                       noise_b.output_covariance.to(at::kDouble).trace().item<double>();
  if (!(length - noise > 0)) {
    throw NumericalError(
        fmt::format("scores of B are noise alone: their squares sum to {:.4g}, noise gives {:.4g}; "
                    "more subset runs are needed",
                    length, noise));
  }
  return (a * b).sum().item<double>() / (length - noise);
}

Contrast contrast_of(const NoisyScores& a, const NoisyScores& b, const WhitenedOptions& options) {
  check_side(a, "A");
  check_side(b, "B");
  if (a.scores.sizes() != b.scores.sizes()) {
    throw ShapeError(fmt::format("scores of A and B differ in shape: {} and {}",
                                 shape_text(a.scores), shape_text(b.scores)));
  }
  if (!(options.shrinkage >= 0 && options.shrinkage < 1)) {
    throw ShapeError(fmt::format("the shrinkage must be in [0, 1), got {}", options.shrinkage));
  }
  Contrast out;
  out.a = a.scores.to(at::kDouble);
  out.b = b.scores.to(at::kDouble);
  out.coefficient = attenuation_corrected_slope(out.a, out.b, b);
  out.residual = out.a - out.coefficient * out.b;
  out.covariance =
      a.output_covariance.to(at::kDouble) * a.noise_scale +
      b.output_covariance.to(at::kDouble) * (out.coefficient * out.coefficient * b.noise_scale);
  const std::int64_t queries = out.covariance.size(0);
  const at::Tensor level = out.covariance.trace() / static_cast<double>(queries);
  const at::Tensor shrunk = (1 - options.shrinkage) * out.covariance +
                            options.shrinkage * level * at::eye(queries, at::kDouble);
  auto [factor, info] = at::linalg_cholesky_ex(shrunk);
  if (info.item<int>() != 0) {
    throw NumericalError(
        fmt::format("the noise covariance of {} queries is singular with shrinkage {}", queries,
                    options.shrinkage));
  }
  out.cholesky = factor;
  return out;
}

at::Tensor whiten(const Contrast& contrast, const at::Tensor& rows) {
  return at::linalg_solve_triangular(contrast.cholesky, rows, /*upper=*/false);
}

double largest_singular_value(const at::Tensor& matrix) {
  const at::Tensor rows = matrix.to(at::kFloat).contiguous();
  LanczosSolver solver(rows.size(1));
  return solver.largest_singular_value(rows.const_data_ptr<float>(), rows.size(0));
}

/// A square root of a positive semidefinite matrix that may be singular: X X' = covariance.
at::Tensor square_root(const at::Tensor& covariance) {
  auto [values, vectors] = at::linalg_eigh(covariance);
  return vectors * values.clamp_min(0).sqrt();
}

}  // namespace

WhitenedResidual whitened_residual(const NoisyScores& a, const NoisyScores& b,
                                   const WhitenedOptions& options) {
  const Contrast contrast = contrast_of(a, b, options);
  const at::Tensor white = whiten(contrast, contrast.residual);
  const std::int64_t queries = white.size(0);
  const std::int64_t examples = white.size(1);
  const std::int64_t most = std::min(queries, examples);
  if (options.directions < 1 || options.directions > most) {
    throw ShapeError(
        fmt::format("of {} queries and {} training examples between 1 and {} directions can be "
                    "had, {} were asked for",
                    queries, examples, most, options.directions));
  }
  auto [u, s, vh] = at::linalg_svd(white, /*full_matrices=*/false);
  WhitenedResidual out;
  out.coefficient = contrast.coefficient;
  out.singular_values = s;
  out.edge = std::sqrt(static_cast<double>(examples)) + std::sqrt(static_cast<double>(queries));
  const at::Tensor v = vh.narrow(0, 0, options.directions);
  out.examples = at::where(v.pow(3).sum(1, /*keepdim=*/true).lt(0), -v, v);
  out.queries_a = at::matmul(out.examples, contrast.a.t());
  out.queries_b = at::matmul(out.examples, contrast.b.t()) * contrast.coefficient;
  return out;
}

std::vector<double> simulated_null(const NoisyScores& a, const NoisyScores& b, std::int64_t draws,
                                   std::uint64_t seed, const WhitenedOptions& options) {
  if (draws < 1)
    throw ShapeError(fmt::format("the number of draws must be at least 1, got {}", draws));
  const Contrast contrast = contrast_of(a, b, options);
  const at::Tensor noise_to_white =
      whiten(contrast, square_root(contrast.covariance)).to(at::kFloat);
  std::vector<double> out;
  at::Tensor noise = at::empty(contrast.residual.sizes(), at::kFloat);
  for (std::int64_t draw = 0; draw < draws; ++draw) {
    RandomStream random(seed, "whitened-null", static_cast<std::uint64_t>(draw));
    random.fill_normal(noise.data_ptr<float>(), noise.numel(), 1);
    out.push_back(largest_singular_value(at::matmul(noise_to_white, noise)));
  }
  return out;
}

std::vector<double> null_values(const std::function<NullPair(std::int64_t)>& make,
                                std::int64_t pairs, const WhitenedOptions& options) {
  std::vector<double> out;
  for (std::int64_t pair = 0; pair < pairs; ++pair) {
    const NullPair sides = make(pair);
    const Contrast contrast = contrast_of(sides.a, sides.b, options);
    out.push_back(largest_singular_value(whiten(contrast, contrast.residual)));
  }
  return out;
}

NoisyScores noisy_scores(const at::Tensor& masks, const at::Tensor& measurements) {
  if (masks.dim() != 2 || measurements.dim() != 2 || masks.size(0) != measurements.size(0) ||
      masks.size(0) < 2) {
    throw ShapeError(fmt::format(
        "masks {} [runs, training examples] and measurements {} [runs, queries] do not fit",
        shape_text(masks), shape_text(measurements)));
  }
  const auto runs = static_cast<double>(masks.size(0));
  const at::Tensor kept = masks.to(at::kDouble);
  const at::Tensor shares = kept.mean(0, /*keepdim=*/true);
  const at::Tensor outputs = measurements.to(at::kDouble);
  const at::Tensor deviations = outputs - outputs.mean(0, /*keepdim=*/true);
  const at::Tensor covariance_with_mask = at::matmul(deviations.t(), kept - shares) / runs;
  const at::Tensor variance = shares * (1 - shares);
  NoisyScores out;
  out.scores = at::where(variance.gt(0), covariance_with_mask / variance.clamp_min(1e-300), 0.0);
  out.output_covariance = at::matmul(deviations.t(), deviations) / (runs - 1);
  const double keep = shares.mean().item<double>();
  if (!(keep > 0 && keep < 1)) {
    throw ShapeError(fmt::format(
        "masks keep a share of {} of the training examples: there is nothing to compare", keep));
  }
  out.noise_scale = 1 / (runs * keep * (1 - keep));
  return out;
}

}  // namespace modeldiff
