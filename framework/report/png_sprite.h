#pragma once

#include <cstdint>
#include <string>

#include "store/safetensors.h"

namespace modeldiff {

/// The first `count` images side by side as one PNG, in base64.
/// @param images U8 [n, 1 or 3 channels, height, width]
std::string base64_of_png_sprite(const TensorView& images, std::int64_t count);

}  // namespace modeldiff
