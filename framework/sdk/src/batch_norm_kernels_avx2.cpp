// Compile with -mavx2 -mfma.
#if defined(__x86_64__)
#define MODELDIFF_BATCH_NORM_KERNELS kAvx2BatchNorm
#define MODELDIFF_BATCH_NORM_NAME "avx2"
#define MODELDIFF_BATCH_NORM_LANES 8
#include "batch_norm_kernels.inc"
#endif
