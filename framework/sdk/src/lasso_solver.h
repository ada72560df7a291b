#pragma once

#include <cstdint>
#include <vector>

#include "lasso_design.h"

// Coordinate descent for one query at a time on a shared design.

namespace modeldiff::lasso {

/// Held-out runs: their masks by column, to predict from a few columns.
struct HeldOut {
  std::int64_t runs = 0;
  std::vector<std::uint8_t> by_column;  ///< [columns, runs]
  std::vector<std::int64_t> rows;

  HeldOut(const std::uint8_t* masks, std::int64_t columns, std::vector<std::int64_t> rows);
};

/// A sparse vector of weights in the units of the objective.
struct SparseWeights {
  std::vector<std::int64_t> support;
  std::vector<double> values;
};

struct Solution {
  SparseWeights weights;
  double lambda = 0;
  double lambda_max = 0;
  double gap = 0;
  std::int64_t sweeps = 0;
  std::int64_t chosen = 0;
  bool converged = true;
};

struct Tolerance {
  double gap;
  std::int64_t max_sweeps;
};

struct PathPlan {
  std::int64_t lambdas;
  double ratio;
  std::int64_t patience;
};

/// Solves one query after another on a design; one object a thread. What it returns depends on the query alone.
class QuerySolver {
 public:
  QuerySolver(const Design& design, Tolerance tolerance);

  /// @param cross [columns] of the query, @param squares its sum of squares
  /// @param start weights to start from, or none
  Solution fixed(const double* cross, double squares, double lambda, const SparseWeights* start);

  /// Warm-started path; the lambda with the least error on `heldout`.
  /// @param errors [plan.lambdas], written
  Solution path(const double* cross, double squares, double mean, const PathPlan& plan, const HeldOut& heldout,
                const Measurements& y, std::int64_t query, double* errors);

 private:
  void begin(const double* cross, double squares);
  void extrapolate(double ratio);
  bool solve(double lambda, double gap_target, bool exact, Solution& out);
  void grow(double threshold);
  void load();
  void unload();
  void refresh_gradient();
  double gap(double lambda) const;
  double heldout_error(double mean, const HeldOut& heldout, const Measurements& y, std::int64_t query);
  SparseWeights sparse() const;

  const Design& design_;
  Tolerance tolerance_;
  std::int64_t n_;
  double square_ = 0;  // |y|^2/m
  std::vector<double> cross_, weights_, gradient_, last_weights_, last_gradient_;
  std::vector<double> product_, theta_;
  std::vector<std::int64_t> support_;

  // The working set: columns that were ever suspected of a weight, in the order of their entry; all of them when dense.
  bool dense_ = false;
  std::vector<std::int64_t> members_;
  std::vector<char> member_;
  std::int64_t local_stride_ = 0;
  std::int64_t gathered_ = 0;
  std::vector<float> local_gram_, drift_;
  std::vector<double> local_diagonal_, local_inverse_, local_base_, local_weights_, local_cross_;
  std::vector<float> predictions_;
  std::vector<float> column_weights_;
  std::vector<const std::uint8_t*> mask_columns_;
};

}  // namespace modeldiff::lasso
