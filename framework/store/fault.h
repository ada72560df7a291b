#pragma once

#include <cstdlib>

/// Places where a test may end the process as a power cut would. `MODELDIFF_FAULT=before_rename:3`
/// raises SIGKILL the third time the place of that name is reached; without a number, the first
/// time. The store's places, in order: after_tmp, mid_write, before_manifest, before_rename,
/// after_rename.
namespace modeldiff {

namespace fault_detail {
inline const bool armed = std::getenv("MODELDIFF_FAULT") != nullptr;
void reach(const char* name);
}  // namespace fault_detail

/// Whether any place is armed in this process.
inline bool faults_armed() { return fault_detail::armed; }

inline void fault_point(const char* name) {
  if (fault_detail::armed) [[unlikely]]
    fault_detail::reach(name);
}

}  // namespace modeldiff
