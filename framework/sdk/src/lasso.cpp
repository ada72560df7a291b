#include "modeldiff/lasso.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "lasso_design.h"
#include "lasso_solver.h"
#include "modeldiff/core/error.h"
#include "modeldiff/tensors.h"

namespace modeldiff {

namespace {

using lasso_solver::Design;
using lasso_solver::MaskBits;
using lasso_solver::PairCounts;
using lasso_solver::QuerySolver;
using lasso_solver::Solution;
using lasso_solver::Targets;
using Rows = std::vector<std::int64_t>;

// ---- what comes in ----

const lasso_solver::Kernels& kernels_of(LassoOptions::Simd simd) {
  constexpr const char* kNames[] = {"", "baseline", "avx2", "avx512"};
  const char* name = kNames[static_cast<int>(simd)];
  const lasso_solver::Kernels* found = lasso_solver::find_kernels(name);
  if (!found) throw ConfigError("simd", fmt::format("this processor cannot run '{}'", name));
  return *found;
}

void check(const LassoOptions& options) {
  MODELDIFF_CHECK(options.gap > 0, fmt::format("gap {}", options.gap));
  MODELDIFF_CHECK(options.max_sweeps > 0, fmt::format("max_sweeps {}", options.max_sweeps));
  MODELDIFF_CHECK(options.threads > 0, fmt::format("threads {}", options.threads));
}

void check_pair(const at::Tensor& masks, const at::Tensor& measurements) {
  if (masks.dim() != 2 || measurements.dim() != 2 || masks.size(0) != measurements.size(0) ||
      masks.size(0) < 2 || masks.size(1) < 1 || measurements.size(1) < 1)
    throw ShapeError(
        fmt::format("masks [m, n] and measurements [m, N] need the same m >= 2, got {} and {}",
                    shape_text(masks), shape_text(measurements)));
}

/// [m, n] contiguous bytes 0 and 1.
at::Tensor mask_bytes(const at::Tensor& masks) {
  if (masks.scalar_type() != at::kBool) {
    const at::Tensor bad = masks.ne(0).logical_and_(masks.ne(1));
    if (bad.any().item<bool>()) {
      const at::Tensor first = bad.nonzero()[0].cpu();
      const std::int64_t run = first[0].item<std::int64_t>(),
                         column = first[1].item<std::int64_t>();
      throw DataError(fmt::format("masks[{}, {}] must be 0 or 1, found {}", run, column,
                                  masks[run][column].item<double>()));
    }
  }
  return masks.to(at::kCPU, at::kByte).contiguous();
}

/// [m, N] contiguous, float32 or float64 on the CPU.
at::Tensor plain_measurements(const at::Tensor& measurements) {
  if (measurements.scalar_type() != at::kFloat && measurements.scalar_type() != at::kDouble)
    throw ShapeError(
        fmt::format("measurements must be float32 or float64, got {}", shape_text(measurements)));
  return measurements.cpu().contiguous();
}

lasso_solver::Measurements view(const at::Tensor& y) {
  if (y.scalar_type() == at::kFloat)
    return {.f32 = y.const_data_ptr<float>(), .queries = y.size(1)};
  return {.f64 = y.const_data_ptr<double>(), .queries = y.size(1)};
}

/// Stops at the first entry that is not finite; `targets` were made of all of them.
void check_finite(const Targets& targets, const at::Tensor& measurements) {
  if (std::all_of(targets.squares.begin(), targets.squares.end(),
                  [](double s) { return std::isfinite(s); }))
    return;
  const at::Tensor first = measurements.isfinite().logical_not().nonzero();
  if (first.size(0) == 0) throw NumericalError("the squares of the measurements overflow");
  throw DataError(fmt::format("measurements[{}, {}] is not finite",
                              first[0][0].item<std::int64_t>(), first[0][1].item<std::int64_t>()));
}

/// One lambda a query.
std::vector<double> lambda_of_queries(const at::Tensor& lambdas, std::int64_t queries) {
  if (lambdas.dim() != 1 || (lambdas.size(0) != 1 && lambdas.size(0) != queries))
    throw ShapeError(
        fmt::format("lambdas must be [1] or [{}], got {}", queries, shape_text(lambdas)));
  const at::Tensor plain = lambdas.to(at::kCPU, at::kDouble).expand({queries}).contiguous();
  std::vector<double> out(plain.const_data_ptr<double>(), plain.const_data_ptr<double>() + queries);
  for (std::int64_t q = 0; q < queries; ++q)
    if (!(out[q] > 0) || !std::isfinite(out[q]))
      throw DataError(
          fmt::format("lambda of query {} must be above 0 and finite, found {}", q, out[q]));
  return out;
}

/// The held-out rows and the others, both ascending.
std::pair<Rows, Rows> split_rows(const at::Tensor& heldout, std::int64_t runs) {
  if (heldout.dim() != 1 || heldout.scalar_type() != at::kLong)
    throw ShapeError(fmt::format("heldout must be rows [h] int64, got {}", shape_text(heldout)));
  const at::Tensor plain = heldout.cpu().contiguous();
  std::vector<char> out(runs);
  for (std::int64_t k = 0; k < plain.size(0); ++k) {
    const std::int64_t row = plain.const_data_ptr<std::int64_t>()[k];
    if (row < 0 || row >= runs)
      throw DataError(fmt::format("heldout[{}] is row {} of {} masks", k, row, runs));
    if (out[row]++) throw DataError(fmt::format("heldout names row {} twice", row));
  }
  std::pair<Rows, Rows> rows;
  for (std::int64_t row = 0; row < runs; ++row)
    (out[row] ? rows.first : rows.second).push_back(row);
  if (rows.first.empty() || rows.second.size() < 2)
    throw DataError(fmt::format("{} of {} runs are held out; at least 1 must be, and 2 not",
                                rows.first.size(), runs));
  return rows;
}

// ---- solving ----

lasso_solver::Target target_of(const Targets& targets, std::int64_t query, std::int64_t columns) {
  return {.cross = targets.cross.data() + query * columns,
          .squares = targets.squares[query],
          .mean = targets.means[query]};
}

/// Calls solve(solver, query) for every query; solvers belong to threads.
template <class Solve>
std::vector<Solution> solve_all(const Design& design, std::int64_t queries,
                                const LassoOptions& options, const Solve& solve) {
  std::vector<Solution> out(queries);
  std::vector<std::unique_ptr<QuerySolver>> solvers(options.threads);
  lasso_solver::for_each(queries, options.threads, [&](std::int64_t query, int worker) {
    auto& solver = solvers[worker];
    if (!solver)
      solver = std::make_unique<QuerySolver>(
          design, lasso_solver::Tolerance{.gap = options.gap, .max_sweeps = options.max_sweeps});
    out[query] = solve(*solver, query);
  });
  return out;
}

std::vector<Solution> solve_fixed(const Design& design, const Targets& targets,
                                  const std::vector<double>& lambdas, const LassoOptions& options,
                                  const std::vector<Solution>* starts = nullptr) {
  return solve_all(design, static_cast<std::int64_t>(lambdas.size()), options,
                   [&](QuerySolver& solver, std::int64_t q) {
                     return solver.fixed(target_of(targets, q, design.columns()), lambdas[q],
                                         starts ? &(*starts)[q].weights : nullptr);
                   });
}

/// @param column_means [n] of the runs of the fit
LassoFit fit_of(const std::vector<Solution>& solutions, const Design& design,
                const double* column_means, const std::vector<double>& means) {
  const std::int64_t queries = static_cast<std::int64_t>(solutions.size()), n = design.columns();
  LassoFit fit;
  fit.weights = at::zeros({queries, n}, at::kDouble);
  for (at::Tensor* t : {&fit.intercepts, &fit.lambdas, &fit.lambda_max, &fit.gaps})
    *t = at::empty({queries}, at::kDouble);
  for (at::Tensor* t : {&fit.nonzeros, &fit.sweeps}) *t = at::empty({queries}, at::kLong);
  fit.converged = at::empty({queries}, at::kBool);
  for (std::int64_t q = 0; q < queries; ++q) {
    const Solution& s = solutions[q];
    double intercept = means[q];
    for (std::size_t k = 0; k < s.weights.support.size(); ++k) {
      const std::int64_t i = s.weights.support[k];
      const double theta = s.weights.values[k] * design.per_scale(i);
      fit.weights.mutable_data_ptr<double>()[q * n + i] = theta;
      intercept -= theta * column_means[i];
    }
    fit.intercepts.mutable_data_ptr<double>()[q] = intercept;
    fit.lambdas.mutable_data_ptr<double>()[q] = s.lambda;
    fit.lambda_max.mutable_data_ptr<double>()[q] = s.lambda_max;
    fit.gaps.mutable_data_ptr<double>()[q] = s.gap;
    fit.converged.mutable_data_ptr<bool>()[q] = s.converged;
    fit.nonzeros.mutable_data_ptr<std::int64_t>()[q] =
        static_cast<std::int64_t>(s.weights.support.size());
    fit.sweeps.mutable_data_ptr<std::int64_t>()[q] = s.sweeps;
    fit.worst_gap = std::max(fit.worst_gap, s.gap);
    fit.unconverged += !s.converged;
  }
  return fit;
}

LassoFit fit_of(const std::vector<Solution>& solutions, const Design& design,
                const Targets& targets) {
  std::vector<double> column_means(design.columns());
  for (std::int64_t i = 0; i < design.columns(); ++i) column_means[i] = design.column_mean(i);
  return fit_of(solutions, design, column_means.data(), targets.means);
}

Rows all_rows(std::int64_t runs) {
  Rows rows(runs);
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

}  // namespace

LassoFit lasso(const at::Tensor& masks, const at::Tensor& measurements, const at::Tensor& lambdas,
               const LassoOptions& options) {
  check(options);
  check_pair(masks, measurements);
  const lasso_solver::Kernels& kernels = kernels_of(options.simd);
  const std::vector<double> wanted = lambda_of_queries(lambdas, measurements.size(1));
  const at::Tensor x = mask_bytes(masks), y = plain_measurements(measurements);
  const Rows rows = all_rows(x.size(0));
  const MaskBits bits(x.const_data_ptr<std::uint8_t>(), x.size(1), rows, options.threads);
  const Targets targets({{bits, rows}}, view(y), kernels, options.threads);
  check_finite(targets, y);
  const Design design(PairCounts(bits, kernels, options.threads), bits.runs, options.standardise,
                      kernels, options.threads);
  return fit_of(solve_fixed(design, targets, wanted, options), design, targets);
}

LassoFit lasso_path(const at::Tensor& masks, const at::Tensor& measurements,
                    const at::Tensor& heldout, const LassoPath& path, const LassoOptions& options) {
  check(options);
  MODELDIFF_CHECK(
      path.lambdas >= 2 && path.ratio > 0 && path.ratio < 1 && path.patience >= 0,
      fmt::format("lambdas {}, ratio {}, patience {}", path.lambdas, path.ratio, path.patience));
  check_pair(masks, measurements);
  const lasso_solver::Kernels& kernels = kernels_of(options.simd);
  const auto [heldout_rows, fit_rows] = split_rows(heldout, masks.size(0));
  const at::Tensor x = mask_bytes(masks), y = plain_measurements(measurements);
  const std::uint8_t* bytes = x.const_data_ptr<std::uint8_t>();
  const std::int64_t queries = y.size(1), n = x.size(1);
  const lasso_solver::Measurements values = view(y);

  const MaskBits fit_bits(bytes, n, fit_rows, options.threads);
  Targets targets({{fit_bits, fit_rows}}, values, kernels, options.threads);
  check_finite(targets, y);
  std::optional<Design> design(std::in_place, PairCounts(fit_bits, kernels, options.threads),
                               fit_bits.runs, options.standardise, kernels, options.threads);
  const at::Tensor errors = at::empty({queries, path.lambdas}, at::kDouble);
  double* error_rows = errors.mutable_data_ptr<double>();
  const lasso_solver::HeldOut held(bytes, n, heldout_rows);
  const lasso_solver::PathPlan plan{
      .lambdas = path.lambdas, .ratio = path.ratio, .patience = path.patience};
  std::vector<Solution> solutions =
      solve_all(*design, queries, options, [&](QuerySolver& solver, std::int64_t q) {
        return solver.path(target_of(targets, q, n), plan, held, values, q,
                           error_rows + q * path.lambdas);
      });
  const at::Tensor chosen = at::empty({queries}, at::kLong),
                   lambda_max = at::empty({queries}, at::kDouble);
  std::vector<double> lambdas(queries);
  for (std::int64_t q = 0; q < queries; ++q) {
    chosen.mutable_data_ptr<std::int64_t>()[q] = solutions[q].chosen;
    lambda_max.mutable_data_ptr<double>()[q] = solutions[q].lambda_max;
    lambdas[q] = solutions[q].lambda;
  }

  if (path.refit) {
    const MaskBits held_bits(bytes, n, heldout_rows, options.threads);
    targets = Targets({{fit_bits, fit_rows}, {held_bits, heldout_rows}}, values, kernels,
                      options.threads);
    check_finite(targets, y);
    PairCounts counts = std::move(*design).release_counts();
    design.reset();
    counts.add(PairCounts(held_bits, kernels, options.threads));
    design.emplace(std::move(counts), x.size(0), options.standardise, kernels, options.threads);
    std::vector<Solution> refits = solve_fixed(*design, targets, lambdas, options, &solutions);
    for (std::int64_t q = 0; q < queries; ++q) {
      refits[q].converged = refits[q].converged && solutions[q].converged;
      refits[q].sweeps += solutions[q].sweeps;
    }
    solutions = std::move(refits);
  }
  LassoFit fit = fit_of(solutions, *design, targets);
  fit.lambda_max = lambda_max;
  fit.heldout_errors = errors;
  fit.chosen = chosen;
  return fit;
}

LassoFit lasso_from_moments(const at::Tensor& gram, const at::Tensor& cross,
                            const at::Tensor& squares, const at::Tensor& column_means,
                            const at::Tensor& measurement_means, std::int64_t runs,
                            const at::Tensor& lambdas, const LassoOptions& options) {
  check(options);
  MODELDIFF_CHECK(runs >= 2, fmt::format("runs {}", runs));
  const std::int64_t n = column_means.numel(), queries = measurement_means.numel();
  const auto expect = [](const at::Tensor& tensor, at::IntArrayRef shape, const char* name) {
    if (tensor.scalar_type() != at::kDouble || tensor.sizes() != shape)
      throw ShapeError(fmt::format("{} must be [{}] float64, got {}", name, fmt::join(shape, ", "),
                                   shape_text(tensor)));
    if (!tensor.isfinite().all().item<bool>())
      throw NumericalError(fmt::format("{} is not finite", name));
    return tensor.cpu().contiguous();
  };
  const at::Tensor g = expect(gram, {n, n}, "gram"),
                   c = expect(cross, {n, queries}, "cross").t().contiguous(),
                   yy = expect(squares, {queries}, "squares"),
                   xm = expect(column_means, {n}, "column_means"),
                   ym = expect(measurement_means, {queries}, "measurement_means");
  const auto numbers = [](const at::Tensor& tensor) {
    const double* data = tensor.const_data_ptr<double>();
    return std::vector<double>(data, data + tensor.numel());
  };
  Targets targets;
  targets.cross = numbers(c);
  targets.squares = numbers(yy);
  targets.means = numbers(ym);
  const Design design(g.const_data_ptr<double>(), n, runs, options.standardise,
                      kernels_of(options.simd), options.threads);
  return fit_of(solve_fixed(design, targets, lambda_of_queries(lambdas, queries), options), design,
                xm.const_data_ptr<double>(), targets.means);
}

at::Tensor difference_of_means(const at::Tensor& masks, const at::Tensor& measurements,
                               int threads) {
  MODELDIFF_CHECK(threads > 0, fmt::format("threads {}", threads));
  check_pair(masks, measurements);
  const lasso_solver::Kernels& kernels = kernels_of(LassoOptions::Simd::kBest);
  const at::Tensor x = mask_bytes(masks), y = plain_measurements(measurements);
  const std::int64_t n = x.size(1), queries = y.size(1);
  const Rows rows = all_rows(x.size(0));
  const MaskBits bits(x.const_data_ptr<std::uint8_t>(), n, rows, threads);
  const Targets targets({{bits, rows}}, view(y), kernels, threads);
  check_finite(targets, y);
  const double m = static_cast<double>(bits.runs);
  std::vector<double> factor = bits.column_counts();  // 1/(m s)
  for (double& entry : factor) {
    const double mean = entry / m;
    entry = mean > 0 && mean < 1 ? 1 / (m * std::sqrt(mean * (1 - mean))) : 0;
  }
  at::Tensor weights = at::empty({queries, n}, at::kDouble);
  double* out = weights.mutable_data_ptr<double>();
  for (std::int64_t q = 0; q < queries; ++q)
    for (std::int64_t i = 0; i < n; ++i) out[q * n + i] = targets.cross[q * n + i] * factor[i];
  return weights;
}

}  // namespace modeldiff
