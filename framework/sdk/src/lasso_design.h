#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "lasso_kernels.h"

// What the queries of a LASSO share, on plain memory: masks as bits, their Gram matrix, and the
// products of the masks with the measurements. Every result is the same bits for any number of
// threads.

namespace modeldiff::lasso_solver {

/// The kernels of an instruction set by name, or the best of this CPU for an empty name.
/// @return null when this CPU or this build has no such set
const Kernels* find_kernels(std::string_view name);

/// Calls task(i, worker) once for each i in [0, count) on `threads` threads, worker in [0,
/// threads). The first exception is thrown again.
void for_each(std::int64_t count, int threads, const std::function<void(std::int64_t, int)>& task);

/// Masks of some runs as bits: bit b of byte (g, i) of `groups` is the mask of column i in run 8 g
/// + b.
struct MaskBits {
  std::int64_t runs = 0;
  std::int64_t columns = 0;
  std::int64_t count =
      0;  ///< groups of eight runs, whole blocks of kGroupBlock; runs past the last have no column
  std::int64_t stride = 0;  ///< bytes from one group to the next
  std::vector<std::uint8_t> groups;

  /// @param masks [*, columns] bytes 0 and 1
  /// @param rows  the runs to take, in this order
  MaskBits(const std::uint8_t* masks, std::int64_t columns, const std::vector<std::int64_t>& rows,
           int threads);

  /// [columns] runs that have column i.
  std::vector<double> column_counts() const;
};

/// X'X: entry (i, j) is the number of runs that have both columns.
struct PairCounts {
  std::int64_t columns = 0;
  std::int64_t stride = 0;  ///< padded(columns); what lies past a row's end is not set
  std::unique_ptr<std::int32_t[]> entries;

  PairCounts() = default;
  PairCounts(const MaskBits& bits, const Kernels& kernels, int threads);

  const std::int32_t* row(std::int64_t i) const { return entries.get() + i * stride; }
  /// Adds the counts of other runs.
  void add(const PairCounts& others);
};

/// Measurements [runs, queries], float32 or float64, read where they are.
struct Measurements {
  const float* f32 = nullptr;
  const double* f64 = nullptr;
  std::int64_t queries = 0;

  double at(std::int64_t row, std::int64_t query) const {
    const std::int64_t i = row * queries + query;
    return f32 ? f32[i] : f64[i];
  }
};

/// Some of the runs: their masks as bits, and which rows of the measurements they are.
struct RunSet {
  const MaskBits& bits;
  const std::vector<std::int64_t>& rows;
};

/// What the problem of each query has besides the Gram matrix.
struct Targets {
  std::vector<double> means;    ///< [queries]
  std::vector<double> squares;  ///< [queries], sum of (y - mean)^2
  std::vector<double> cross;  ///< [queries, columns], sum over runs that have column i of y - mean

  /// Of all runs of the parts together.
  Targets(const std::vector<RunSet>& parts, const Measurements& y, const Kernels& kernels,
          int threads);
  Targets() = default;
};

/// The Gram matrix X~'X~/m of centred columns, divided by their standard deviation s or not, and
/// the exact sums behind it.
class Design {
 public:
  /// From the counts of `runs` masks.
  Design(PairCounts counts, std::int64_t runs, bool standardise, const Kernels& kernels,
         int threads);
  /// From centred sums [columns, columns], which must outlive this object.
  Design(const double* centred_sums, std::int64_t columns, std::int64_t runs, bool standardise,
         const Kernels& kernels, int threads);

  std::int64_t columns() const { return columns_; }
  std::int64_t runs() const { return runs_; }
  const Kernels& kernels() const { return *kernels_; }
  /// Hands over the counts; what is left can only be destroyed.
  PairCounts release_counts() && { return std::move(counts_); }

  /// [columns, stride], float32, zeros past a row's end; rows and columns without variance are 0.
  const float* gram() const { return gram_.get(); }
  std::int64_t stride() const { return stride_; }
  /// [columns], its diagonal and the reciprocals; both 0 without variance.
  const double* diagonal() const { return diagonal_.data(); }
  const double* inverse() const { return inverse_.data(); }
  /// Weights in mask units are those of the objective times this: 1/s or 1; 0 without variance.
  double per_scale(std::int64_t i) const { return per_scale_[i]; }
  /// Share of the runs that have column i; 0 when made from centred sums.
  double column_mean(std::int64_t i) const { return means_[i]; }

  /// product = (X~'X~/m) w in float64, from the exact sums.
  /// @param support, weights the nonzeros of w
  /// @param product [columns], overwritten
  void multiply(const std::vector<std::int64_t>& support, const std::vector<double>& weights,
                double* product) const;

 private:
  template <class Centred>
  void fill(bool standardise, int threads, const Centred& centred);

  std::int64_t columns_;
  std::int64_t runs_;
  std::int64_t stride_;
  const Kernels* kernels_;
  PairCounts counts_;             // or
  const double* sums_ = nullptr;  // [columns, columns]
  std::vector<double> means_;
  std::vector<double> per_scale_;
  std::vector<double> diagonal_;
  std::vector<double> inverse_;
  std::unique_ptr<float[]> gram_;
};

}  // namespace modeldiff::lasso_solver
