#pragma once

#include <cstdint>
#include <vector>

#include "images/image_decode.h"

/// Parts of images put together, in integers. Free of torch.
namespace modeldiff {

/// The pixels of [row, row + side) x [column, column + side), which must lie inside.
RgbImage square_window(const RgbImage& image, std::int64_t row, std::int64_t column,
                       std::int64_t side);

/// Left and right exchanged.
RgbImage mirrored(const RgbImage& image);

/// How opaque each pixel of a pasted square is: a disc whose outer part fades linearly. With r the
/// distance from the middle, 1 at the middle of each side: 255 where r <= 1 - edge, 0 where r >= 1.
/// @param side >= 2
/// @param edge in (0, 1]
/// @return     [side, side]
std::vector<std::uint8_t> disc_opacity(std::int64_t side, double edge);

/// Pixels become (a patch + (255 - a) canvas) / 255, rounded; a = 255 everywhere without `opacity`.
/// @param opacity [patch.height, patch.width] or empty
void paste(RgbImage& canvas, const RgbImage& patch, std::int64_t row, std::int64_t column,
           const std::vector<std::uint8_t>& opacity = {});

/// A square of one colour. @param colour red, green, blue in [0, 1]
RgbImage plain_square(std::int64_t side, const std::vector<double>& colour);

}  // namespace modeldiff
