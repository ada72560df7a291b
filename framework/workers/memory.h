#pragma once

namespace modeldiff {

/// From now on this process keeps what it frees for its next allocation. A training step frees and
/// allocates the same tensors again; blocks of some megabytes would each time go back to the system
/// and return as empty pages, which took 10 to 20 % of a convolutional network's step.
void keep_freed_memory();

}  // namespace modeldiff
