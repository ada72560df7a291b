#pragma once

#include <cstdint>

// The loops of batch norm over rows of channels, compiled once for each instruction set. Plain
// pointers only: an inline library function in those files could be kept by the linker in a form
// that this processor cannot run.
//
// Rows of few channels are folded: `width` is the least multiple of `channels` that a whole number
// of vectors fills, and what belongs to a channel is repeated along it. A kernel then runs over
// vectors, whatever the number of channels.

namespace modeldiff {

/// Floats that a kernel works on at once; every `width` is a multiple of it.
inline constexpr std::int64_t kBatchNormBlock = 32;

struct BatchNormKernels {
  const char* name;

  /// For each of `width` columns of x [rows, width]: sum of x - origin, and of its square; float32,
  /// so rows are few.
  void (*moments)(const float* x, std::int64_t rows, std::int64_t width, const float* origin,
                  float* sum, float* square);

  /// y = x scale + shift, with `relu` 0 where that is negative; y may be x. NaN stays NaN.
  void (*normalise)(const float* x, std::int64_t rows, std::int64_t width, const float* scale,
                    const float* shift, bool relu, float* y);

  /// g = dy, with `relu` 0 where x scale + shift is not positive. Sums of g and of g (x - mean) for
  /// each column.
  void (*gradient_sums)(const float* x, const float* dy, std::int64_t rows, std::int64_t width,
                        const float* scale, const float* shift, const float* mean, bool relu,
                        float* sum, float* product);

  /// dx = scale g + slope (x - mean) + offset; dx may be x or dy.
  void (*input_gradient)(const float* x, const float* dy, std::int64_t rows, std::int64_t width,
                         const float* scale, const float* shift, const float* mean,
                         const float* slope, const float* offset, bool relu, float* dx);
};

/// The quickest that this processor runs.
const BatchNormKernels& batch_norm_kernels();

extern const BatchNormKernels kPortableBatchNorm;
#if defined(__x86_64__)
extern const BatchNormKernels kAvx2BatchNorm;
extern const BatchNormKernels kAvx512BatchNorm;
#endif

}  // namespace modeldiff
