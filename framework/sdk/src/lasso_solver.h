#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "lasso_design.h"

// Coordinate descent for one query at a time on a shared design. Weights are those of the objective
// (w = theta s), gradients are X~'r/m with r the residual.

namespace modeldiff::lasso_solver {

/// Held-out runs, their masks by column: predictions need the few columns that have a weight.
class HeldOut {
 public:
  /// @param measurements [runs, queries] less the pivot of the run's stratum; must outlive this object
  /// @param strata       [runs]; must outlive this object
  HeldOut(const MaskBits& masks, const std::vector<double>& measurements,
          const std::vector<std::int64_t>& strata);

  std::int64_t runs() const { return runs_; }
  std::int64_t groups() const { return groups_; }
  /// [groups] masks of eight runs a byte
  const std::uint8_t* column(std::int64_t i) const { return by_column_.data() + i * groups_; }
  double measurement(std::int64_t run, std::int64_t query) const {
    return (*measurements_)[run * queries_ + query];
  }
  std::int64_t stratum(std::int64_t run) const { return (*strata_)[run]; }

 private:
  std::int64_t runs_, groups_, queries_;
  std::vector<std::uint8_t> by_column_;
  const std::vector<double>* measurements_;
  const std::vector<std::int64_t>* strata_;
};

struct SparseWeights {
  std::vector<std::int64_t> support;
  std::vector<double> values;
};

struct Tolerance {
  double gap;               ///< of |y|^2/2m
  std::int64_t max_sweeps;  ///< at one lambda
};

struct PathPlan {
  std::int64_t lambdas;
  double ratio;
  std::int64_t patience;  ///< 0: none
};

struct Solution {
  SparseWeights weights;
  double lambda = 0;
  double lambda_max = 0;
  double gap = 0;  ///< of |y|^2/2m, in float64 on exact sums
  std::int64_t sweeps = 0;
  std::int64_t chosen = 0;  ///< index of lambda in the path
  bool converged = true;
};

/// The columns that one query may give a weight, in the order of their entry, with their part of
/// the Gram matrix gathered: small enough for the second cache where the whole is not. With many
/// columns it stands for all of them, and the whole matrix is used where it is.
class ActiveSet {
 public:
  explicit ActiveSet(const Design& design);

  void clear();
  bool contains(std::int64_t column) const { return whole_ || member_[column]; }
  void add(std::int64_t column);
  /// Brings the gathered matrix up to date with what was added.
  void gather();

  bool whole() const { return whole_; }
  /// In the order of entry; not used when whole().
  const std::vector<std::int64_t>& columns() const { return columns_; }
  std::int64_t size() const;

  std::int64_t stride() const { return whole_ ? design_->stride() : stride_; }
  const float* gram() const { return whole_ ? design_->whole_gram() : gram_.data(); }
  const double* diagonal() const { return whole_ ? design_->diagonal() : diagonal_.data(); }
  const double* inverse() const { return whole_ ? design_->inverse() : inverse_.data(); }

 private:
  void reserve(std::int64_t size);

  const Design* design_;
  bool whole_ = false;
  std::vector<std::int64_t> columns_;
  std::vector<char> member_;
  std::int64_t gathered_ = 0;  // columns whose entries are in gram_
  std::int64_t stride_ = 0;
  std::vector<float> gram_;  // [stride, stride]
  std::vector<double> diagonal_, inverse_;
};

/// Anderson acceleration of coordinate descent (Bertrand and Massias 2021, arXiv:2011.10065): a
/// combination of the last iterates whose differences nearly cancel. The gradient is affine in the
/// weights, so it takes the same combination, and no product with the Gram matrix.
class Acceleration {
 public:
  static constexpr int kDepth = 5;

  void clear() { count_ = 0; }
  /// Remembers an iterate. Returns whether there are kDepth differences to combine.
  bool push(const double* weights, const float* drift, std::int64_t size);
  /// The combination of those remembered.
  void combine(std::vector<double>& weights, std::vector<float>& drift) const;

 private:
  int count_ = 0;
  std::array<std::vector<double>, kDepth + 1> weights_;
  std::array<std::vector<float>, kDepth + 1> drift_;
};

/// Solves one query after another; one object a thread. What it returns depends on the query alone.
class QuerySolver {
 public:
  QuerySolver(const Design& design, Tolerance tolerance);

  /// @param start weights to start from; null starts from none
  Solution fixed(const Target& target, double lambda, const SparseWeights* start);

  /// A warm-started path down from lambda_max, and of it the solution with the least squared error
  /// on `heldout`.
  /// @param errors [plan.lambdas], written; NaN after a stop
  Solution path(const Target& target, const PathPlan& plan, const HeldOut& heldout,
                std::int64_t query, double* errors);

 private:
  void begin(const Target& target);
  void approach(double lambda);
  bool solve(double lambda, double gap, bool exact);
  bool admit(double threshold);
  std::int64_t descend(double lambda, double gap, std::int64_t max_sweeps);
  void extrapolate(double ratio);
  void refresh_gradient();
  void set_weights(const SparseWeights& weights);
  SparseWeights sparse() const;
  Solution solution(bool converged) const;
  double heldout_error(const Target& target, const HeldOut& heldout, std::int64_t query);

  const Design* design_;
  Tolerance tolerance_;
  std::int64_t n_;
  ActiveSet active_;

  // Of the query at hand.
  double square_ = 0;  // |y|^2/m
  double lambda_max_ = 0;
  double lambda_ = 0;
  double gap_ = 0;
  std::int64_t sweeps_ = 0;
  std::vector<double> cross_, weights_, gradient_;    // [n]
  std::vector<double> last_weights_, last_gradient_;  // [n], at the lambda before

  // Scratch.
  Acceleration acceleration_;
  std::vector<double> tried_weights_;
  std::vector<float> tried_drift_;
  std::vector<float> drift_;
  std::vector<double> active_cross_, active_base_, active_weights_;
  std::vector<double> intercepts_;
  std::vector<float> predictions_, theta_;
  std::vector<const std::uint8_t*> mask_columns_;
};

}  // namespace modeldiff::lasso_solver
