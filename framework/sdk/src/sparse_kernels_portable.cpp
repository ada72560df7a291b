// The kernels for any processor.
#define MODELDIFF_SPARSE_BYTES 16
#define MODELDIFF_SPARSE_KERNELS kPortableSparseKernels
#include "sparse_kernels.inc"
