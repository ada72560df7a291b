// The kernels for x86-64 processors with AVX2 and FMA.
#if defined(__x86_64__)
#if !defined(__AVX2__) || !defined(__FMA__)
#error "compile this file with -mavx2 -mfma"
#endif
#define MODELDIFF_SPARSE_BYTES 32
#define MODELDIFF_SPARSE_KERNELS kAvx2SparseKernels
#include "sparse_kernels.inc"
#endif
