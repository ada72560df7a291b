#include "projection.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "sparse_product.h"

namespace modeldiff::trak {
namespace {

constexpr std::int64_t kWords = kPanelColumns / 32;
/// Keeps the counters of normal numbers, 4 a draw, apart from those of signs, 128 a draw.
constexpr std::uint64_t kNormalCounters = std::uint64_t{1} << 32;

/// Four standard normal numbers of 128 random bits (Box-Muller).
std::array<float, 4> normal_numbers(const std::array<std::uint32_t, 4>& bits) {
  std::array<float, 4> out;
  for (std::size_t pair = 0; pair < 2; ++pair) {
    const double u = (bits[2 * pair] + 0.5) * 0x1p-32;  // in (0, 1)
    const double angle = 2 * std::numbers::pi * (bits[2 * pair + 1] * 0x1p-32);
    const double radius = std::sqrt(-2 * std::log(u));
    out[2 * pair] = static_cast<float>(radius * std::cos(angle));
    out[2 * pair + 1] = static_cast<float>(radius * std::sin(angle));
  }
  return out;
}

}  // namespace

std::int64_t Panel::bytes_per_row(ProjectionKind kind) {
  return kind == ProjectionKind::normal ? kPanelColumns * 4 : kWords * 4;
}

void Panel::draw(const LayerProjection& projection, std::int64_t first_row, std::int64_t rows,
                 std::int64_t column_block) {
  kind_ = projection.kind;
  if (kind_ == ProjectionKind::rademacher) {
    signs_.resize(rows * kWords);
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto bits = philox(projection.key, static_cast<std::uint64_t>(first_row + r),
                               static_cast<std::uint64_t>(column_block));
      std::copy(bits.begin(), bits.end(), signs_.begin() + r * kWords);
    }
    return;
  }
  normals_.resize(rows * kPanelColumns);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < kPanelColumns; c += 4) {
      const auto draw = static_cast<std::uint64_t>((column_block * kPanelColumns + c) / 4);
      const auto numbers = normal_numbers(philox(
          projection.key, static_cast<std::uint64_t>(first_row + r), kNormalCounters + draw));
      std::copy(numbers.begin(), numbers.end(), normals_.begin() + r * kPanelColumns + c);
    }
  }
}

void Panel::unpack(std::int64_t begin, std::int64_t count, std::int64_t tile, float* out,
                   std::int64_t stride) const {
  if (kind_ == ProjectionKind::rademacher) {
    unpack_signs(signs_.data() + begin * kWords + tile / 2, count, kWords, tile % 2, out, stride);
    return;
  }
  for (std::int64_t r = 0; r < count; ++r) {
    const float* row = normals_.data() + (begin + r) * kPanelColumns + tile * kTileColumns;
    std::copy_n(row, kTileColumns, out + r * stride);
  }
}

}  // namespace modeldiff::trak
