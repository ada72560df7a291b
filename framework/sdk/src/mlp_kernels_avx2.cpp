// The kernels for x86-64 processors with AVX2 and FMA: 12 of 16 registers hold a tile of 6 x 16.
#if defined(__x86_64__)
#if !defined(__AVX2__) || !defined(__FMA__)
#error "compile this file with -mavx2 -mfma"
#endif
#define MODELDIFF_MLP_LANES 8
#define MODELDIFF_MLP_TILE_ROWS 6
#define MODELDIFF_MLP_KERNELS kAvx2MlpKernels
#include "mlp_kernels_simd.inc"
#endif
