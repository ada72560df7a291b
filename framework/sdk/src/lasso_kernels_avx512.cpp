// Compile with -O3 -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mprefer-vector-width=512.
#if defined(__x86_64__)
#define MODELDIFF_LASSO_KERNELS kAvx512Kernels
#define MODELDIFF_LASSO_SIMD "avx512"
#define MODELDIFF_LASSO_BYTES 64
#include "lasso_kernels.inc"
#endif
