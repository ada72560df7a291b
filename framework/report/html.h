#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "modeldiff/core/json.h"
#include "store/safetensors.h"

/// Pieces of the page.
namespace modeldiff::html {

/// Text between tags or in a quoted attribute.
std::string escape(std::string_view text);

/// "0.031", "1.2e-05", "–" for null.
std::string number(const Json& value, int digits = 3);
/// A change of probability in points: "+9.3".
std::string points(const Json& value);
/// "+9.3 [8.7, 9.9]" of {estimate, lower, upper}.
std::string points_interval(const Json& interval);
/// "24 % [23, 25]" of a share {estimate, lower, upper}.
std::string percent_interval(const Json& interval);
/// "+3.26 [3.05, 3.47]" of a change {estimate, lower, upper}.
std::string signed_interval(const Json& interval);

struct Column {
  std::string title;
  bool numeric = false;
};

/// A table that sorts on a click; wide ones scroll in their own frame. Cells are HTML.
std::string table(const std::vector<Column>& columns,
                  const std::vector<std::vector<std::string>>& rows);

/// "What this number comes from": the first digits of an artifact's key, the whole of it on hover.
std::string artifact(const Json& part);

struct Tile {
  std::string caption;
  /// What is said to those who cannot see it.
  std::string description;
  bool marked = false;
};

/// Images in a row that wraps, from one sprite.
/// @param images U8 [n, channels, height, width]; one tile for each of the first tiles.size()
std::string image_grid(const TensorView& images, const std::vector<Tile>& tiles);

}  // namespace modeldiff::html
