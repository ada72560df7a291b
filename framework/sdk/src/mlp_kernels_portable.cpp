// The kernels on vectors of four floats, which every processor that we build for has (SSE2, NEON).
#define MODELDIFF_MLP_LANES 4
#define MODELDIFF_MLP_TILE_ROWS 6
#define MODELDIFF_MLP_KERNELS kPortableMlpKernels
#include "mlp_kernels_simd.inc"
