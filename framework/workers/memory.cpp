#include "workers/memory.h"

#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

namespace modeldiff {

void keep_freed_memory() {
#if defined(M_MMAP_THRESHOLD) && defined(M_TRIM_THRESHOLD)
  constexpr int kLargestThreshold = 32 << 20;  // glibc takes no more
  constexpr int kKept = 1 << 30;
  ::mallopt(M_MMAP_THRESHOLD, kLargestThreshold);
  ::mallopt(M_TRIM_THRESHOLD, kKept);
#endif
}

}  // namespace modeldiff
