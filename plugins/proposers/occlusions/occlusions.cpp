#include <ATen/ATen.h>
#include <fmt/format.h>

#include <vector>

#include "common/sizes.h"
#include "modeldiff/plugin.h"
#include "modeldiff/proposer.h"
#include "occlusions_params.h"

namespace modeldiff {
namespace {

/// Rows [top, bottom) and columns [left, right).
struct Box {
  std::int64_t top, left, bottom, right;
};

/// Family 16 of the table in docs/modeldiff.md: parts of the image are hidden behind the value that
/// the data set names for it, its mean.
class Occlusions final : public Proposer {
 public:
  explicit Occlusions(OcclusionsParams params) : params_(std::move(params)) {}

  std::vector<Transformation> propose(const ProposeRequest& request) const override {
    const DataFacts& facts = request.facts;
    const std::int64_t height = facts.input_shape[1], width = facts.input_shape[2];
    std::vector<Transformation> out;
    for (const std::int64_t cells : params_.grids) {
      if (cells > std::min(height, width)) continue;
      for (std::int64_t row = 0; row < cells; ++row) {
        for (std::int64_t column = 0; column < cells; ++column) {
          add(out, "hidden_cell",
              fmt::format("cell {}, {} of {}x{} hidden", row, column, cells, cells),
              {row * height / cells, column * width / cells, (row + 1) * height / cells,
               (column + 1) * width / cells},
              facts);
        }
      }
    }
    for (const std::int64_t size : params_.borders) {
      const std::int64_t border = pixels_of(size, facts);
      if (2 * border >= std::min(height, width)) continue;
      add(out, "hidden_part", fmt::format("border of {} hidden", border),
          {border, border, height - border, width - border}, facts, /*outside=*/true);
    }
    for (const std::int64_t size : params_.centres) {
      const std::int64_t side = pixels_of(size, facts);
      if (side >= std::min(height, width)) continue;
      const std::int64_t top = (height - side) / 2, left = (width - side) / 2;
      add(out, "hidden_part", fmt::format("centre of {}x{} hidden", side, side),
          {top, left, top + side, left + side}, facts);
    }
    if (params_.halves) {
      add(out, "hidden_part", "top half hidden", {0, 0, height / 2, width}, facts);
      add(out, "hidden_part", "bottom half hidden", {height / 2, 0, height, width}, facts);
      add(out, "hidden_part", "left half hidden", {0, 0, height, width / 2}, facts);
      add(out, "hidden_part", "right half hidden", {0, width / 2, height, width}, facts);
    }
    return out;
  }

  at::Tensor apply(const Transformation& transformation, const at::Tensor& images) const override {
    return at::where(transformation.tensors.at("mask"), transformation.tensors.at("fill"), images);
  }

  /// As many pixels at the other side: the mask wrapped around by half of the image.
  std::optional<Transformation> placebo(const Transformation& transformation,
                                        RandomStream&) const override {
    Transformation out = transformation;
    at::Tensor& mask = out.tensors.at("mask");
    mask = mask.roll({mask.size(0) / 2, mask.size(1) / 2}, {0, 1});
    out.label = "at the other side: " + out.label;
    return out;
  }

 private:
  static void add(std::vector<Transformation>& out, const char* family, const std::string& label,
                  const Box& box, const DataFacts& facts, bool outside = false) {
    at::Tensor mask = at::full({facts.input_shape[1], facts.input_shape[2]}, outside, at::kBool);
    mask.slice(0, box.top, box.bottom).slice(1, box.left, box.right).fill_(!outside);
    out.push_back({"",
                   family,
                   label,
                   Json::object(),
                   {{"mask", mask}, {"fill", at::tensor(facts.fill).view({-1, 1, 1})}},
                   -1});
  }

  OcclusionsParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("proposers", "occlusions", "1.0",
                 "Cells of a grid, the border, the centre and halves of the image hidden",
                 Occlusions, OcclusionsParams, R"({"data": "images"})");

}  // namespace modeldiff
