// The kernels for x86-64 processors with AVX-512.
#if defined(__x86_64__)
#if !defined(__AVX512F__)
#error "compile this file with -mavx512f"
#endif
#define MODELDIFF_SPARSE_BYTES 64
#define MODELDIFF_SPARSE_KERNELS kAvx512SparseKernels
#include "sparse_kernels.inc"
#endif
