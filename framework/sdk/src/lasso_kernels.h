#pragma once

#include <cstdint>

// The loops of the LASSO that take its time, without torch. lasso_kernels.inc holds them once; each
// instruction set compiles it in a unit of its own, and lasso_kernels() picks one at run time.

namespace modeldiff::lasso_solver {

/// Queries whose cross products with the masks are made together.
inline constexpr int kQueryBlock = 8;
/// Groups of eight runs whose tables of subset sums are alive together; 4 x 256 x 8 doubles are 64
/// KiB.
inline constexpr int kGroupBlock = 4;
/// Rows of a Gram matrix are padded to a multiple of this many entries.
inline constexpr std::int64_t kPad = 16;

/// Bytes in the widest register of any instruction set.
inline constexpr std::int64_t kWidestStrip = 64;

inline constexpr std::int64_t padded(std::int64_t n) { return (n + kPad - 1) / kPad * kPad; }

/// One query restricted to its working set of k columns, in the units of the objective (divided by
/// m). The gradient of the fit, X~'r/m, is base + drift: `base` exact where the last check was
/// made, `drift` what the updates since then have added. Kept apart, float32 suffices for the
/// second.
struct WorkingSet {
  std::int64_t size = 0;        ///< k
  std::int64_t stride = 0;      ///< >= padded(k)
  const float* gram = nullptr;  ///< [k, stride]; entries from k on are finite and change nothing
  const double* diagonal = nullptr;  ///< [k], of the Gram matrix
  const double* inverse = nullptr;   ///< [k], 1/diagonal, 0 for a column without variance
  const double* base = nullptr;      ///< [k]
  double* weights = nullptr;         ///< [k]
  float* drift = nullptr;            ///< [padded(k)]
};

struct Kernels {
  const char* name;

  /// Columns that one call of count_strip() serves: one register of bytes.
  std::int64_t strip;

  /// counts[i, first + l] += runs with both columns, for i in [first, n) and l in [0, strip): one
  /// strip of the lower triangle of X'X. Columns past n count as absent from every run. groups
  /// [count, groups_stride]: bit b of byte (g, i) is the mask of run 8 g + b, and count a multiple
  /// of kGroupBlock; scratch holds (kGroupBlock 256 + 3 n) strip bytes.
  void (*count_strip)(const std::uint8_t* groups, std::int64_t count, std::int64_t groups_stride,
                      std::int64_t first, std::int64_t n, std::uint8_t* scratch,
                      std::int32_t* counts, std::int64_t stride);

  /// sums[i, q] += sum over runs j that have column i of y[j, q].
  /// groups as above; y [8 count, kQueryBlock]; tables [kGroupBlock, 256, kQueryBlock] is scratch.
  void (*cross)(const std::uint8_t* groups, std::int64_t count, std::int64_t groups_stride,
                std::int64_t n, const double* y, double* tables, double* sums);

  /// One pass of coordinate descent over the working set. Returns the largest change that a
  /// coordinate needed when it was visited, in units of the gradient.
  double (*sweep)(const WorkingSet& set, double lambda);

  /// sums[i] += sum_k weights[k] rows[k][i], i < n.
  void (*add_counts)(const std::int32_t* const* rows, const double* weights, std::int64_t count,
                     std::int64_t n, double* sums);

  /// sums[8 g + b] += sum_k weights[k] (bit b of columns[k][g]), g < groups: masks of eight runs a
  /// byte.
  void (*add_masks)(const std::uint8_t* const* columns, const float* weights, std::int64_t count,
                    std::int64_t groups, float* sums);
};

extern const Kernels kBaselineKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
#endif

}  // namespace modeldiff::lasso_solver
