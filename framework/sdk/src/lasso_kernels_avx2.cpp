// Compile with -O3 -mavx2 -mfma.
#if defined(__x86_64__)
#define MODELDIFF_LASSO_KERNELS kAvx2Kernels
#define MODELDIFF_LASSO_SIMD "avx2"
#define MODELDIFF_LASSO_BYTES 32
#include "lasso_kernels.inc"
#endif
