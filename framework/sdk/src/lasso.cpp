#include "modeldiff/lasso.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "lasso_design.h"
#include "lasso_solver.h"
#include "modeldiff/core/error.h"
#include "modeldiff/tensors.h"
#include "run_sums_parts.h"

namespace modeldiff {

namespace {

using lasso_solver::Design;
using lasso_solver::QuerySolver;
using lasso_solver::Solution;

void check(const LassoOptions& options) {
  MODELDIFF_CHECK(options.gap > 0, fmt::format("gap {}", options.gap));
  MODELDIFF_CHECK(options.max_sweeps > 0, fmt::format("max_sweeps {}", options.max_sweeps));
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

/// Calls solve(solver, query) for every query; solvers belong to threads.
template <class Solve>
std::vector<Solution> solve_all(const RunSums::Parts& runs, const Design& design,
                                const LassoOptions& options, const Solve& solve) {
  std::vector<Solution> out(runs.queries());
  std::vector<std::unique_ptr<QuerySolver>> solvers(runs.threads());
  lasso_solver::for_each(runs.queries(), runs.threads(), [&](std::int64_t query, int worker) {
    auto& solver = solvers[worker];
    if (!solver)
      solver = std::make_unique<QuerySolver>(
          design, lasso_solver::Tolerance{.gap = options.gap, .max_sweeps = options.max_sweeps});
    out[query] = solve(*solver, query);
  });
  return out;
}

std::vector<Solution> solve_fixed(const RunSums::Parts& runs, const Design& design,
                                  const std::vector<double>& lambdas, const LassoOptions& options,
                                  const std::vector<Solution>* starts = nullptr) {
  return solve_all(runs, design, options, [&](QuerySolver& solver, std::int64_t q) {
    return solver.fixed(runs.target(q), lambdas[q], starts ? &(*starts)[q].weights : nullptr);
  });
}

/// Each query at the lambda of its path with the least error on the held-out runs, fitted on the
/// others.
/// @param errors [N, K] float64, written
std::vector<Solution> solve_path(const RunSums::Parts& runs, const LassoPath& path,
                                 const LassoOptions& options, const at::Tensor& errors) {
  const Design design = runs.design(options.standardise);
  const lasso_solver::HeldOut heldout = runs.heldout();
  const lasso_solver::PathPlan plan{
      .lambdas = path.lambdas, .ratio = path.ratio, .patience = path.patience};
  double* rows = errors.mutable_data_ptr<double>();
  return solve_all(runs, design, options, [&](QuerySolver& solver, std::int64_t q) {
    return solver.path(runs.target(q), plan, heldout, q, rows + q * path.lambdas);
  });
}

/// Each query again at its lambda, on runs that there are more of now.
std::vector<Solution> solve_again(const RunSums::Parts& runs, const Design& design,
                                  const std::vector<Solution>& solutions,
                                  const LassoOptions& options) {
  std::vector<double> lambdas;
  for (const Solution& solution : solutions) lambdas.push_back(solution.lambda);
  std::vector<Solution> again = solve_fixed(runs, design, lambdas, options, &solutions);
  for (std::size_t q = 0; q < again.size(); ++q) {
    again[q].converged = again[q].converged && solutions[q].converged;
    again[q].sweeps += solutions[q].sweeps;
    again[q].lambda_max = solutions[q].lambda_max;
    again[q].chosen = solutions[q].chosen;
  }
  return again;
}

LassoFit fit_of(const std::vector<Solution>& solutions, const RunSums::Parts& runs,
                const Design& design) {
  const std::int64_t queries = runs.queries(), n = runs.columns(), strata = runs.strata();
  LassoFit fit;
  fit.weights = at::zeros({queries, n}, at::kDouble);
  fit.intercepts = at::empty({strata, queries}, at::kDouble);
  for (at::Tensor* t : {&fit.lambdas, &fit.lambda_max, &fit.gaps})
    *t = at::empty({queries}, at::kDouble);
  for (at::Tensor* t : {&fit.nonzeros, &fit.sweeps}) *t = at::empty({queries}, at::kLong);
  fit.converged = at::empty({queries}, at::kBool);
  for (std::int64_t q = 0; q < queries; ++q) {
    const Solution& s = solutions[q];
    std::vector<double> intercepts(strata);
    for (std::int64_t t = 0; t < strata; ++t) intercepts[t] = runs.mean(t, q);
    for (std::size_t k = 0; k < s.weights.support.size(); ++k) {
      const std::int64_t i = s.weights.support[k];
      const double theta = s.weights.values[k] * design.per_scale(i);
      fit.weights.mutable_data_ptr<double>()[q * n + i] = theta;
      for (std::int64_t t = 0; t < strata; ++t) intercepts[t] -= theta * design.column_mean(t, i);
    }
    for (std::int64_t t = 0; t < strata; ++t)
      fit.intercepts.mutable_data_ptr<double>()[t * queries + q] = intercepts[t];
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

}  // namespace

LassoFit lasso(RunSums& sums, const at::Tensor& lambdas, const LassoOptions& options) {
  check(options);
  RunSums::Parts& runs = sums.parts();
  const std::vector<double> wanted = lambda_of_queries(lambdas, runs.queries());
  runs.finish();
  const Design design = runs.design(options.standardise);
  return fit_of(solve_fixed(runs, design, wanted, options), runs, design);
}

LassoFit lasso_path(RunSums& sums, const LassoPath& path, const LassoOptions& options) {
  check(options);
  MODELDIFF_CHECK(
      path.lambdas >= 2 && path.ratio > 0 && path.ratio < 1 && path.patience >= 0,
      fmt::format("lambdas {}, ratio {}, patience {}", path.lambdas, path.ratio, path.patience));
  RunSums::Parts& runs = sums.parts();
  if (runs.heldout_runs() == 0)
    throw DataError(fmt::format("none of {} runs is held out; at least 1 must be", runs.runs()));
  runs.finish();
  const std::int64_t queries = runs.queries();
  const at::Tensor errors = at::empty({queries, path.lambdas}, at::kDouble);
  std::vector<Solution> solutions = solve_path(runs, path, options, errors);
  if (path.refit) {
    runs.release_heldout();
    runs.finish();
  }
  const Design design = runs.design(options.standardise);
  if (path.refit) solutions = solve_again(runs, design, solutions, options);
  LassoFit fit = fit_of(solutions, runs, design);
  fit.heldout_errors = errors;
  fit.chosen = at::empty({queries}, at::kLong);
  for (std::int64_t q = 0; q < queries; ++q)
    fit.chosen.mutable_data_ptr<std::int64_t>()[q] = solutions[q].chosen;
  return fit;
}

}  // namespace modeldiff
