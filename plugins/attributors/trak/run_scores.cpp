#include "run_scores.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "modeldiff/core/error.h"

namespace modeldiff::trak {
namespace {

/// Columns of the Gram matrix that are made at once: only blocks on and below the diagonal are.
constexpr std::int64_t kGramColumns = 512;
/// Queries that are solved in float64 at once.
constexpr std::int64_t kSolvedQueries = 256;

/// Phi' R Phi [k, k] float64, lower triangle; blocks of rows are multiplied in float32 and added in
/// float64. @param weights R [n], or undefined for 1
at::Tensor gram_matrix(const FeatureRows& phi, const at::Tensor& weights) {
  const std::int64_t k = phi.columns();
  at::Tensor gram =
      at::zeros({k, k}, at::kDouble).t();  // column-major, as Cholesky takes it without a copy
  phi.for_each_block([&](std::int64_t begin, const at::Tensor& rows) {
    const at::Tensor weighted =
        weights.defined() ? rows * weights.narrow(0, begin, rows.size(0)).unsqueeze(1) : rows;
    for (std::int64_t column = 0; column < k; column += kGramColumns) {
      const std::int64_t width = std::min(kGramColumns, k - column);
      gram.narrow(0, column, k - column)
          .narrow(1, column, width)
          .add_(at::matmul(rows.narrow(1, column, k - column).t(),
                           weighted.narrow(1, column, width)));
    }
  });
  return gram;
}

/// (L L')^-1 of every query's features. @return [N, k], dtype of the queries
at::Tensor solve(const at::Tensor& cholesky, const at::Tensor& queries) {
  at::Tensor out = at::empty_like(queries);
  for (std::int64_t begin = 0; begin < queries.size(0); begin += kSolvedQueries) {
    const std::int64_t end = std::min(queries.size(0), begin + kSolvedQueries);
    const at::Tensor right = queries.slice(0, begin, end).t().to(at::kDouble);
    const at::Tensor half = at::linalg_solve_triangular(cholesky, right, /*upper=*/false);
    out.slice(0, begin, end)
        .copy_(at::linalg_solve_triangular(cholesky.t(), half, /*upper=*/true).t());
  }
  return out;
}

[[noreturn]] void fail_singular(std::int64_t examples, std::int64_t k, double lambda,
                                double damping, double trace) {
  const char* advice = "; raise `damping`";
  if (examples < k)
    advice =
        ": it has no more directions than there are gradients; raise `damping` or lower "
        "`projection`";
  if (trace == 0) advice = ": all gradients are 0";
  throw NumericalError(fmt::format(
      "the Gram matrix of n = {} gradients, projected to k = {} numbers, is singular with "
      "lambda = {:.4g} (damping {}){}",
      examples, k, lambda, damping, advice));
}

/// R of every example: 0 where the run was not trained on it; undefined for 1 everywhere.
at::Tensor gram_weights(const Features& train, const at::Tensor& subset, bool newton) {
  at::Tensor weights;
  if (newton) weights = train.one_minus_p * (1 - train.one_minus_p);
  if (!subset.defined()) return weights;
  const at::Tensor trained_on = at::zeros_like(train.one_minus_p).index_fill_(0, subset, 1);
  return newton ? weights * trained_on : trained_on;
}

}  // namespace

RunScores run_scores(const Features& train, const at::Tensor& queries, const at::Tensor& subset,
                     const SolveOptions& options) {
  at::Tensor gram = gram_matrix(train.rows, gram_weights(train, subset, options.newton));
  const std::int64_t k = gram.size(0);
  const double trace = gram.trace().item<double>();
  if (!std::isfinite(trace)) throw NumericalError("a gradient of the measurement is not finite");

  RunScores out;
  out.lambda = options.damping * trace / static_cast<double>(k);
  gram.diagonal().add_(out.lambda);
  at::Tensor info = at::empty({}, at::kInt);
  at::linalg_cholesky_ex_out(gram, info,
                             gram);  // in place: at large k this matrix is most of the memory
  if (trace == 0 || info.item<int>() != 0)
    fail_singular(subset.defined() ? subset.size(0) : train.rows.size(), k, out.lambda,
                  options.damping, trace);

  const at::Tensor solved = solve(gram, queries);
  gram.reset();
  out.scores = at::empty({queries.size(0), train.rows.size()}, queries.options());
  train.rows.for_each_block([&](std::int64_t begin, const at::Tensor& rows) {
    out.scores.narrow(1, begin, rows.size(0)).copy_(at::matmul(solved, rows.t()));
  });
  if (!std::isfinite(out.scores.sum().item<double>())) {
    throw NumericalError("a score is not finite: gradients of the measurement are too large");
  }
  return out;
}

}  // namespace modeldiff::trak
