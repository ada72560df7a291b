// Compile with -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mprefer-vector-width=512.
#if defined(__x86_64__)
#define MODELDIFF_BATCH_NORM_KERNELS kAvx512BatchNorm
#define MODELDIFF_BATCH_NORM_NAME "avx512"
#define MODELDIFF_BATCH_NORM_LANES 16
#include "batch_norm_kernels.inc"
#endif
