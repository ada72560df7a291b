#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "lasso_design.h"
#include "lasso_solver.h"
#include "modeldiff/run_sums.h"

namespace modeldiff {

/// The sums themselves. Measurements are summed less a pivot, that of the first run of the stratum:
/// sums of differences from the mean follow without loss of digits, though the mean comes last.
class RunSums::Parts {
 public:
  Parts(std::int64_t columns, std::int64_t queries, int threads, Simd simd);

  /// @param mask [columns] bytes 0 and 1 @param measurements [queries] finite
  void add(const std::uint8_t* mask, const double* measurements, std::int64_t stratum,
           bool heldout);
  void release_heldout();
  /// Sums what is waiting; all below is of sums that are finished.
  /// @throws DataError unless each stratum has runs, and all together one more than strata
  void finish();

  std::int64_t columns() const { return counts_.columns(); }
  std::int64_t queries() const { return queries_; }
  std::int64_t strata() const { return static_cast<std::int64_t>(strata_.size()); }
  std::int64_t runs() const;
  std::int64_t heldout_runs() const { return heldout_.masks.runs(); }
  int threads() const { return threads_; }

  lasso_solver::Design design(bool standardise) const;
  lasso_solver::Target target(std::int64_t query) const;
  lasso_solver::HeldOut heldout() const;
  /// Mean measurement of a stratum.
  double mean(std::int64_t stratum, std::int64_t query) const;
  /// Sum over runs of products of measurements less their means. [queries, queries] float64
  at::Tensor products() const;
  /// Sum over strata of m_s a_s (1 - a_s).
  double mask_variance() const;

 private:
  struct Runs {
    lasso_solver::MaskBits masks;
    std::vector<double> measurements;  // [runs, queries] less the pivot
    std::vector<std::int64_t> strata;  // [runs]
  };
  struct Stratum {
    lasso_solver::Presence presence;
    std::vector<double> measurements;  // [queries], sum less the pivot

    double mean(std::int64_t query) const {
      return measurements[query] / static_cast<double>(presence.runs);
    }
  };

  void sum(Runs& runs);
  void add_to_strata(const Runs& runs);

  std::int64_t queries_;
  int threads_;
  const lasso_solver::Kernels* kernels_;
  lasso_solver::PairCounts counts_;
  std::vector<double> cross_;  // [blocks of kQueryBlock queries, columns, kQueryBlock]
  at::Tensor products_;        // [queries, queries]
  std::vector<Stratum> strata_;
  std::vector<std::vector<double>> pivots_;  // [strata], [queries] once there is a run
  Runs waiting_, heldout_;
  bool mirrored_ = false;
};

}  // namespace modeldiff
