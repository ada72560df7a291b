#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "lasso_kernels.h"

// LASSO of many queries on one 0/1 design, on plain memory. lasso.cpp is its border to tensors.

namespace modeldiff::lasso {

/// Calls task(i, worker) for i in [0, count) on `threads` threads, worker in [0, threads). The first exception is
/// thrown again.
void for_each(std::int64_t count, int threads, const std::function<void(std::int64_t, int)>& task);

/// Masks of some runs as bits.
struct MaskBits {
  std::int64_t runs = 0;
  std::int64_t columns = 0;
  std::int64_t words = 0;
  std::vector<std::uint8_t> groups;     ///< [8 words, columns]: bit b of byte (g, i) is the mask of run 8 g + b
  std::vector<std::uint64_t> by_column;  ///< [columns, words], the same bits

  /// @param masks [*, columns] bytes 0 and 1
  /// @param rows  the runs to take, in this order
  MaskBits(const std::uint8_t* masks, std::int64_t columns, const std::vector<std::int64_t>& rows, int threads);
};

/// counts[i, j] = runs that have both columns; rows padded with zeros.
using Counts = std::vector<std::int32_t>;
Counts pair_counts(const MaskBits& bits, const Kernels& kernels, int threads);

/// Measurements of all queries, read where they are: value(j, q) = y[j queries + q].
struct Measurements {
  const float* f32 = nullptr;
  const double* f64 = nullptr;
  std::int64_t queries = 0;

  double at(std::int64_t row, std::int64_t query) const {
    return f32 ? f32[row * queries + query] : f64[row * queries + query];
  }
};

/// What the problem of each query is made of besides the Gram matrix; means and sums are over the runs of the fit.
struct Targets {
  std::vector<double> cross;    ///< [queries, columns], sum_j x_ji (y_jq - mean_q)
  std::vector<double> means;    ///< [queries]
  std::vector<double> squares;  ///< [queries], sum of (y - mean)^2
};

/// Of the runs `rows`, whose masks are `bits`, in one or two parts.
struct RunSet {
  const MaskBits* bits;
  const std::vector<std::int64_t>* rows;
};
Targets make_targets(const std::vector<RunSet>& parts, const Measurements& y, const Kernels& kernels, int threads);

/// The Gram matrix of the design in the units of the objective, and the exact sums it was made of.
class Design {
 public:
  /// From exact counts of `runs` masks.
  Design(Counts counts, std::int64_t columns, std::int64_t runs, bool standardise, const Kernels& kernels,
         int threads);
  /// From centred sums [columns, columns], which must outlive this object.
  Design(const double* centred_sums, const double* column_means, std::int64_t columns, std::int64_t runs,
         bool standardise, const Kernels& kernels, int threads);

  std::int64_t columns() const { return columns_; }
  std::int64_t runs() const { return runs_; }
  std::int64_t stride() const { return stride_; }
  const Kernels& kernels() const { return *kernels_; }

  const float* gram() const { return gram_.data(); }
  const double* diagonal() const { return diagonal_.data(); }
  const double* inverse() const { return inverse_.data(); }
  /// 1/s of a column: weights in mask units are w times it. 0 for a column without variance.
  const double* per_scale() const { return per_scale_.data(); }
  /// Share of the runs that have column i.
  double column_mean(std::int64_t i) const { return means_[i]; }
  const Counts& counts() const { return counts_; }
  /// Hands the counts over; the design cannot be used any more.
  Counts release_counts() { return std::move(counts_); }

  /// product = (X~'X~/m) w for w = weights on `support`, in float64 from the exact sums.
  /// @param product [stride], overwritten
  void multiply(const std::vector<std::int64_t>& support, const std::vector<double>& weights,
                std::vector<double>& product) const;

 private:
  template <class Centred>
  void fill(bool standardise, int threads, const Centred& centred);

  std::int64_t columns_;
  std::int64_t runs_;
  std::int64_t stride_;
  const Kernels* kernels_;
  Counts counts_;                 // [columns, stride]; empty when made from sums
  const double* sums_ = nullptr;  // [columns, columns]
  std::vector<double> means_;
  std::vector<double> per_scale_;
  std::vector<double> diagonal_;
  std::vector<double> inverse_;
  std::vector<float> gram_;  // [columns, stride]
};

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

/// The kernels of an instruction set, or the best of this CPU for an empty name.
/// @return null when this CPU, or this build, has no such set
const Kernels* find_kernels(const char* name);

}  // namespace modeldiff::lasso
