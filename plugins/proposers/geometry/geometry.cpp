#include <ATen/ATen.h>
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <numbers>
#include <set>
#include <vector>

#include "common/sizes.h"
#include "geometry_params.h"
#include "modeldiff/plugin.h"
#include "modeldiff/proposer.h"

namespace modeldiff {
namespace {

/// Where a pixel comes from, about the centre: row = a y + b x + c, column = d y + e x + f.
using AffineMap = std::array<double, 6>;

/// A position this close to a pixel is that pixel: quarter turns of a square, flips and whole shifts
/// move pixels without mixing them.
constexpr double kOnPixel = 1e-6;

/// Reads images at real positions, bilinear; beyond the border they repeat it.
/// @param rows, columns [H, W] float64 positions in the image
at::Tensor read_at(const at::Tensor& images, const at::Tensor& rows, const at::Tensor& columns) {
  struct Corners {
    at::Tensor low, high, share;  // of the higher pixel
  };
  const auto corners = [](const at::Tensor& position, std::int64_t length) {
    const at::Tensor whole = position.round();
    const at::Tensor at_pixel =
        at::where((position - whole).abs().lt(kOnPixel), whole, position).clamp(0, length - 1);
    const at::Tensor low = at_pixel.floor();
    return Corners{low.to(at::kLong), (low + 1).clamp(0, length - 1).to(at::kLong),
                   (at_pixel - low).to(at::kFloat)};
  };
  const Corners y = corners(rows, images.size(2)), x = corners(columns, images.size(3));
  const at::Tensor flat = images.flatten(2);
  const auto pixels = [&](const at::Tensor& row, const at::Tensor& column) {
    const at::Tensor index = (row * images.size(3) + column).flatten();
    return flat.index_select(2, index).view_as(images);
  };
  const auto between = [](const at::Tensor& low, const at::Tensor& high, const at::Tensor& share) {
    return low * (1 - share) + high * share;
  };
  return between(between(pixels(y.low, x.low), pixels(y.low, x.high), x.share),
                 between(pixels(y.high, x.low), pixels(y.high, x.high), x.share), y.share)
      .clamp(0, 1);
}

/// Family 17 of the table in docs/modeldiff.md: the image is moved, turned, scaled, sheared,
/// mirrored.
class Geometry final : public Proposer {
 public:
  explicit Geometry(GeometryParams params) : params_(std::move(params)) {}

  std::vector<Transformation> propose(const ProposeRequest& request) const override {
    std::vector<Transformation> out;
    const auto add = [&](const char* family, const std::string& label, const AffineMap& map) {
      out.push_back({"", family, label, {{"map", map}}, {}, -1});
    };
    std::set<std::int64_t> shifts;
    for (const std::int64_t shift : params_.shifts) shifts.insert(pixels_of(shift, request.facts));
    for (const std::int64_t shift : shifts) {
      const auto by = static_cast<double>(shift);
      add("shift", fmt::format("shifted up by {}", shift), {1, 0, by, 0, 1, 0});
      add("shift", fmt::format("shifted down by {}", shift), {1, 0, -by, 0, 1, 0});
      add("shift", fmt::format("shifted left by {}", shift), {1, 0, 0, 0, 1, by});
      add("shift", fmt::format("shifted right by {}", shift), {1, 0, 0, 0, 1, -by});
    }
    for (const double degrees : params_.rotations) {
      const double angle = degrees * std::numbers::pi / 180, c = std::cos(angle),
                   s = std::sin(angle);
      add("rotation", fmt::format("rotated by {:g} degrees", degrees), {c, -s, 0, s, c, 0});
    }
    for (const double factor : params_.scales)
      add("scale", fmt::format("scaled by {:g}", factor), {1 / factor, 0, 0, 0, 1 / factor, 0});
    for (const double shear : params_.shears)
      add("shear", fmt::format("sheared by {:g}", shear), {1, 0, 0, -shear, 1, 0});
    if (params_.flips) {
      add("flip", "left and right mirrored", {1, 0, 0, 0, -1, 0});
      add("flip", "top and bottom mirrored", {-1, 0, 0, 0, 1, 0});
    }
    return out;
  }

  at::Tensor apply(const Transformation& transformation, const at::Tensor& images) const override {
    const auto map = transformation.parameters.at("map").get<AffineMap>();
    const double middle_row = static_cast<double>(images.size(2) - 1) / 2,
                 middle_column = static_cast<double>(images.size(3) - 1) / 2;
    const at::Tensor y = (at::arange(images.size(2), at::kDouble) - middle_row).unsqueeze(1),
                     x = (at::arange(images.size(3), at::kDouble) - middle_column).unsqueeze(0);
    return read_at(images, map[0] * y + map[1] * x + (map[2] + middle_row),
                   map[3] * y + map[4] * x + (map[5] + middle_column));
  }

 private:
  GeometryParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("proposers", "geometry", "1.0", "Shifts, rotations, scales, shears and flips",
                 Geometry, GeometryParams, R"({"data": "images"})");

}  // namespace modeldiff
