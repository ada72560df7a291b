#pragma once

#include <string>
#include <vector>

/// What the system says of itself.
namespace modeldiff {

/// Bytes of memory that can be had without swapping; 0 when the system does not say.
double free_memory();

/// The processor's name; empty when the system does not say.
std::string processor_name();

/// Which of these instruction sets the processor has: the names of /proc/cpuinfo.
std::vector<std::string> processor_features(const std::vector<std::string>& wanted);

}  // namespace modeldiff
