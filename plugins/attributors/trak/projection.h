#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "modeldiff/core/random.h"
#include "trak_params.h"

/// The random projection P [parameters, k]. An entry is a pure function of (seed of the run, layer,
/// parameter, column), so that any part of P can be made at any time, in blocks of any size and on
/// any thread, and is never stored.
namespace modeldiff::trak {

/// Columns that one draw of 128 random bits makes signs for.
inline constexpr std::int64_t kPanelColumns = 128;
/// Columns of P that are multiplied at once.
inline constexpr std::int64_t kTileColumns = 16;

/// Names the entries of P of one layer. Rows are the layer's parameters in the order of the layout.
struct LayerProjection {
  ProjectionKind kind = ProjectionKind::rademacher;
  std::uint64_t key = 0;

  LayerProjection(ProjectionKind kind_, std::uint64_t run_seed, const std::string& layer)
      : kind(kind_), key(derive_seed(run_seed, "trak-projection/" + layer)) {}
};

/// Some rows of P in 128 consecutive columns, drawn once and unpacked where they are needed: 16
/// bytes a row for signs, 512 for normal numbers.
class Panel {
 public:
  static std::int64_t bytes_per_row(ProjectionKind kind);

  /// Rows first_row .. first_row + rows - 1, columns 128 * column_block onwards.
  void draw(const LayerProjection& projection, std::int64_t first_row, std::int64_t rows,
            std::int64_t column_block);

  /// Rows [begin, begin + count) of the panel, its columns 16 * tile onwards, as float32.
  /// @param out [count, 16], row r at out + r * stride
  void unpack(std::int64_t begin, std::int64_t count, std::int64_t tile, float* out,
              std::int64_t stride) const;

 private:
  ProjectionKind kind_ = ProjectionKind::rademacher;
  std::vector<std::uint32_t> signs_;  // [rows, 4]
  std::vector<float> normals_;        // [rows, 128]
};

}  // namespace modeldiff::trak
