#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "lasso_kernels.h"

// What the queries of a LASSO share, on plain memory: masks as bits, their Gram matrix, and the
// centring within strata. Every result is the same bits for any number of threads.

namespace modeldiff::lasso_solver {

/// The kernels of an instruction set by name, or the best of this CPU for an empty name.
/// @return null when this CPU or this build has no such set
const Kernels* find_kernels(std::string_view name);

/// Calls task(i, worker) once for each i in [0, count) on `threads` threads, worker in [0,
/// threads). The first exception is thrown again.
void for_each(std::int64_t count, int threads, const std::function<void(std::int64_t, int)>& task);

/// Masks of runs as bits, in the order in which they were added: bit b of byte (g, i) is the mask of
/// column i in run 8 g + b.
class MaskBits {
 public:
  explicit MaskBits(std::int64_t columns);

  /// @param mask [columns] bytes 0 and 1
  void add(const std::uint8_t* mask);
  void clear();

  std::int64_t runs() const { return runs_; }
  std::int64_t columns() const { return columns_; }
  /// Groups of eight runs, whole blocks of kGroupBlock; runs past the last have no column.
  std::int64_t groups() const { return static_cast<std::int64_t>(bytes_.size()) / stride_; }
  /// Bytes from one group to the next.
  std::int64_t stride() const { return stride_; }
  const std::uint8_t* bytes() const { return bytes_.data(); }

 private:
  std::int64_t columns_;
  std::int64_t stride_;
  std::int64_t runs_ = 0;
  std::vector<std::uint8_t> bytes_;
};

/// X'X: entry (i, j) is the number of runs that have both columns.
class PairCounts {
 public:
  explicit PairCounts(std::int64_t columns);

  /// Adds the counts of these runs to the lower triangle.
  void add(const MaskBits& bits, const Kernels& kernels, int threads);
  /// Copies the lower triangle to the upper, which row() needs.
  void mirror(int threads);

  std::int64_t columns() const { return columns_; }
  const std::int32_t* row(std::int64_t i) const { return entries_.get() + i * stride_; }

 private:
  struct Free {
    void operator()(std::int32_t* entries) const;
  };

  std::int64_t columns_;
  std::int64_t stride_;
  std::unique_ptr<std::int32_t[], Free> entries_;
};

/// The masks of the runs of one stratum.
struct Presence {
  std::int64_t runs = 0;
  std::vector<double> present;  ///< [columns] runs that have the column
};

/// One query's sums over runs.
struct Target {
  const double* sums;  ///< that of column i at i * kQueryBlock: of y less its stratum's pivot
  double squares;      ///< of y less the mean of its stratum
  std::vector<double> offsets;  ///< [strata] mean of y less the pivot
};

/// The Gram matrix X~'X~/m of columns centred within strata, divided by their standard deviation s
/// or not, and the exact counts behind it.
class Design {
 public:
  /// @param counts  mirrored; must outlive this object
  /// @param strata  each with runs; their sum is m
  Design(const PairCounts& counts, const std::vector<const Presence*>& strata, bool standardise,
         const Kernels& kernels, int threads);

  std::int64_t columns() const { return counts_->columns(); }
  std::int64_t runs() const { return runs_; }
  std::int64_t strata() const { return static_cast<std::int64_t>(share_.size()); }
  const Kernels& kernels() const { return *kernels_; }

  /// row[k] = entry (i, columns[k]), k < count; 0 for a column without variance.
  void gram_row(std::int64_t i, const std::int64_t* columns, std::int64_t count, float* row) const;
  /// All of it, [columns, stride], zeros past a row's end. Made when it is first asked for.
  const float* whole_gram() const;
  std::int64_t stride() const { return padded(columns()); }
  /// [columns], its diagonal and the reciprocals; both 0 without variance.
  const double* diagonal() const { return diagonal_.data(); }
  const double* inverse() const { return inverse_.data(); }
  /// Weights in mask units are those of the objective times this: 1/s or 1; 0 without variance.
  double per_scale(std::int64_t i) const { return per_scale_[i]; }
  /// Share of the runs of a stratum that have column i.
  double column_mean(std::int64_t stratum, std::int64_t i) const {
    return means_[stratum * columns() + i];
  }
  /// sum over runs of (x_i - mean x_i)(y - mean y), means of strata.
  double cross(const Target& target, std::int64_t i) const;

  /// product = (X~'X~/m) w in float64, from the exact counts.
  /// @param support, weights the nonzeros of w
  /// @param product [columns], overwritten
  void multiply(const std::vector<std::int64_t>& support, const std::vector<double>& weights,
                double* product) const;

 private:
  const PairCounts* counts_;
  const Kernels* kernels_;
  int threads_;
  std::int64_t runs_ = 0;
  std::vector<double> share_;      // [strata] of the runs
  std::vector<double> means_;      // [strata, columns]
  std::vector<double> present_;    // [strata, columns]
  std::vector<double> per_scale_;  // [columns]
  std::vector<double> diagonal_;
  std::vector<double> inverse_;
  mutable std::once_flag whole_;
  mutable std::unique_ptr<float[]> gram_;
};

}  // namespace modeldiff::lasso_solver
