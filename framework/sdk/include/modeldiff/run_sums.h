#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "modeldiff/core/api.h"

// Sums over runs of 0/1 masks and of what the runs answered, for regressions of many targets on one
// design: datamodels and component attributions.
//
// m runs, n columns (training examples or components), N queries.

namespace modeldiff {

/// What regressions need of the runs, which are given in blocks and not kept: in how many runs each
/// two columns are together, and products of masks and measurements. Only of held-out runs the masks,
/// as bits, and the measurements are there until they are released.
///
/// Runs belong to strata, shares of the training set that they were drawn with for instance: masks
/// and measurements are centred within each, so that the size of a run explains nothing. A column that
/// is in every run of each stratum or in none has no variance.
///
/// Results are the same bits for any number of threads and any blocks. They hang on the order of the
/// runs by rounding alone.
class MODELDIFF_API RunSums {
 public:
  /// Instruction set: the best of this CPU, or one by name. They agree up to rounding.
  enum class Simd { kBest, kBaseline, kAvx2, kAvx512 };

  /// @param threads of add() and of fits
  RunSums(std::int64_t columns, std::int64_t queries, int threads = 1, Simd simd = Simd::kBest);
  ~RunSums();
  RunSums(const RunSums&) = delete;
  RunSums& operator=(const RunSums&) = delete;

  /// @param masks        [k, n], uint8, bool, or any real dtype with entries 0 and 1; 1 = kept
  /// @param measurements [k, N], float32 or float64, finite
  /// @param strata       [k] int64, from 0 without gaps when all runs are there; undefined: all 0
  /// @param heldout      [k] bool; undefined: none
  /// @throws ShapeError, DataError naming the first bad entry
  void add(const at::Tensor& masks, const at::Tensor& measurements, const at::Tensor& strata = {},
           const at::Tensor& heldout = {});
  /// Held-out runs become runs like the others. All below is of runs that are not held out.
  void release_heldout();

  std::int64_t runs() const;
  std::int64_t heldout_runs() const;

  /// cov(y, x_i) / var(x_i), within strata: the mean of the measurement with column i less the mean
  /// without. In mask units, unbiased under independent masks, needs no tuning, and its noise is known:
  /// covariance measurement_covariance() noise_scale() over queries, independent over columns. 0
  /// for a column without variance.
  /// @return [N, n] float64
  at::Tensor difference_of_means();
  /// Within strata. @return [N, N] float64
  at::Tensor measurement_covariance();
  /// 1 / sum over strata of m_s a_s (1 - a_s), a_s the share of the columns that its runs have.
  double noise_scale();

  /// Bytes at the peak, that of a lasso() included, on one thread.
  static double memory_bytes(std::int64_t columns, std::int64_t queries, std::int64_t runs,
                             std::int64_t heldout);

  /// For lasso().
  class Parts;
  Parts& parts() { return *parts_; }

 private:
  std::unique_ptr<Parts> parts_;
};

}  // namespace modeldiff
