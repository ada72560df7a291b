// The kernels for x86-64 processors with AVX-512: 24 of 32 registers hold a tile of 12 x 32.
#if defined(__x86_64__)
#if !defined(__AVX512F__)
#error "compile this file with -mavx512f -mavx512vl -mavx512bw -mavx512dq -mfma"
#endif
#define MODELDIFF_MLP_LANES 16
#define MODELDIFF_MLP_TILE_ROWS 12
#define MODELDIFF_MLP_KERNELS kAvx512MlpKernels
#include "mlp_kernels_simd.inc"
#endif
