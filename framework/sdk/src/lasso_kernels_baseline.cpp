// Compile with -O3.
#define MODELDIFF_LASSO_KERNELS kBaselineKernels
#define MODELDIFF_LASSO_SIMD "baseline"
#define MODELDIFF_LASSO_BYTES 16
#include "lasso_kernels.inc"
