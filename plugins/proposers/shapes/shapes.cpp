#include <ATen/ATen.h>
#include <fmt/format.h>

#include <vector>

#include "modeldiff/core/random.h"
#include "modeldiff/plugin.h"
#include "modeldiff/proposer.h"
#include "shapes_params.h"

namespace modeldiff {
namespace {

/// What counts as brighter than the mean, half a grey level of 255: an even image has no silhouette,
/// however its mean is rounded.
constexpr double kLeastDifference = 0.5 / 255;

/// A random order of cells in which none keeps its place.
std::vector<std::int64_t> derangement(std::int64_t cells, RandomStream& random) {
  for (;;) {
    std::vector<std::int64_t> order = random.permutation(cells);
    bool moves = true;
    for (std::int64_t i = 0; i < cells; ++i)
      moves = moves && order[static_cast<std::size_t>(i)] != i;
    if (moves) return order;
  }
}

/// Cell k of the grid, row by row, becomes the old cell order[k]. What a grid of equal cells does not
/// cover at the bottom and at the right stays.
at::Tensor shuffled(const at::Tensor& images, const std::vector<std::int64_t>& order,
                    std::int64_t grid) {
  const std::int64_t height = images.size(2) / grid, width = images.size(3) / grid;
  const auto cell = [&](const at::Tensor& x, std::int64_t k) {
    return x.narrow(2, k / grid * height, height).narrow(3, k % grid * width, width);
  };
  at::Tensor out = images.clone();
  for (std::int64_t k = 0; k < grid * grid; ++k)
    cell(out, k).copy_(cell(images, order[static_cast<std::size_t>(k)]));
  return out;
}

/// The length of the brightness's gradient (Sobel), half a step from black to white being 1, in every
/// channel; beyond the border the image repeats it.
at::Tensor edges(const at::Tensor& images) {
  const at::Tensor grey = images.mean(1, /*keepdim=*/true);
  const at::Tensor padded = at::replication_pad2d(grey, {1, 1, 1, 1});
  const at::Tensor across =
      at::tensor({-1.0f, 0.0f, 1.0f, -2.0f, 0.0f, 2.0f, -1.0f, 0.0f, 1.0f}).view({1, 1, 3, 3}) / 2;
  const at::Tensor x = at::conv2d(padded, across),
                   y = at::conv2d(padded, across.transpose(2, 3).contiguous());
  return (x.square() + y.square()).sqrt().clamp(0, 1).expand_as(images).contiguous();
}

at::Tensor silhouette(const at::Tensor& images) {
  const at::Tensor grey = images.mean(1, /*keepdim=*/true);
  const at::Tensor mean = grey.mean({2, 3}, /*keepdim=*/true);
  return (grey - mean).gt(kLeastDifference).to(at::kFloat).expand_as(images).contiguous();
}

/// Families 18 and 19 of the table in docs/modeldiff.md: texture without shape, and shape without
/// texture.
class Shapes final : public Proposer {
 public:
  explicit Shapes(ShapesParams params) : params_(std::move(params)) {}

  std::vector<Transformation> propose(const ProposeRequest& request) const override {
    std::vector<Transformation> out;
    for (const std::int64_t grid : params_.grids) {
      if (grid > std::min(request.facts.input_shape[1], request.facts.input_shape[2])) continue;
      RandomStream random(request.seed, "shapes.shuffled", static_cast<std::uint64_t>(grid));
      out.push_back({"",
                     "shuffled_cells",
                     fmt::format("cells of a {}x{} grid shuffled", grid, grid),
                     {{"grid", grid}, {"order", derangement(grid * grid, random)}},
                     {},
                     -1});
    }
    if (params_.edges) out.push_back({"", "shape_only", "edges only", {{"form", "edges"}}, {}, -1});
    if (params_.silhouette)
      out.push_back({"", "shape_only", "silhouette only", {{"form", "silhouette"}}, {}, -1});
    return out;
  }

  at::Tensor apply(const Transformation& transformation, const at::Tensor& images) const override {
    const Json& parameters = transformation.parameters;
    if (transformation.family == "shuffled_cells") {
      return shuffled(images, parameters.at("order").get<std::vector<std::int64_t>>(),
                      parameters.at("grid").get<std::int64_t>());
    }
    return parameters.at("form") == "edges" ? edges(images) : silhouette(images);
  }

 private:
  ShapesParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("proposers", "shapes", "1.0",
                 "Shuffled cells, which keep texture; edges and silhouettes, which keep shape",
                 Shapes, ShapesParams, R"({"data": "images"})");

}  // namespace modeldiff
