#pragma once

#include <string>

#include "modeldiff/dataset.h"

namespace modeldiff {

/// SHA-256, as 64 hexadecimal digits, of the facts and of dtype, shape and bytes of every tensor of
/// both parts. Data sets with equal content have equal digests, however their tensors lie in
/// memory.
std::string content_digest(const Dataset& data);

}  // namespace modeldiff
