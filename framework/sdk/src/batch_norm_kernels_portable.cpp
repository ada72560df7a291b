#define MODELDIFF_BATCH_NORM_KERNELS kPortableBatchNorm
#define MODELDIFF_BATCH_NORM_NAME "portable"
#define MODELDIFF_BATCH_NORM_LANES 4
#include "batch_norm_kernels.inc"
