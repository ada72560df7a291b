#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "common/ends.h"
#include "mean_difference_params.h"
#include "modeldiff/plugin.h"
#include "modeldiff/proposer.h"

namespace modeldiff {
namespace {

/// Added to a standard error, so that pixels that never vary have one: half a grey level of 255.
constexpr double kLeastError = 0.5 / 255;
/// Fewer examples on either side say nothing about a mean.
constexpr std::size_t kLeastGroup = 3;

/// The strongest training examples of a direction's end, within the class that most of them have,
/// and the rest of that class: across classes the difference of the classes themselves would drown
/// everything.
struct Groups {
  at::Tensor top, rest;  // images [n, C, H, W]
  std::int64_t label = 0;
};

std::optional<Groups> groups_of(const Direction& direction, bool positive,
                                const ProposeRequest& request, std::int64_t count) {
  const at::Tensor rows = examples_at_end(direction, positive, count);
  std::map<std::int64_t, std::vector<std::int64_t>> by_class;
  for (std::int64_t i = 0; i < rows.size(0); ++i) {
    const auto row = rows[i].item<std::int64_t>();
    by_class[request.train.targets[row].item<std::int64_t>()].push_back(row);
  }
  const auto most = std::max_element(
      by_class.begin(), by_class.end(),
      [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
  at::Tensor others = request.train.targets.eq(most->first);
  const at::Tensor chosen = at::tensor(most->second, at::kLong);
  others = others.clone().index_fill_(0, chosen, false).nonzero().squeeze(1);
  if (most->second.size() < kLeastGroup || others.size(0) < static_cast<std::int64_t>(kLeastGroup))
    return std::nullopt;
  return Groups{request.train.select(chosen).floats(), request.train.select(others).floats(),
                most->first};
}

/// Connected parts (by edges) of a mask, the heaviest first.
std::vector<at::Tensor> connected_parts(const at::Tensor& mask, const at::Tensor& weight) {
  const std::int64_t height = mask.size(0), width = mask.size(1);
  const at::Tensor left = mask.contiguous().clone(), heavy = weight.to(at::kDouble).contiguous();
  auto open = left.accessor<bool, 2>();
  const auto value = heavy.accessor<double, 2>();
  std::vector<std::pair<double, at::Tensor>> parts;
  for (std::int64_t row = 0; row < height; ++row) {
    for (std::int64_t column = 0; column < width; ++column) {
      if (!open[row][column]) continue;
      at::Tensor part = at::zeros({height, width}, at::kBool);
      auto inside = part.accessor<bool, 2>();
      double sum = 0;
      std::vector<std::pair<std::int64_t, std::int64_t>> border{{row, column}};
      open[row][column] = false;
      while (!border.empty()) {
        const auto [y, x] = border.back();
        border.pop_back();
        inside[y][x] = true;
        sum += value[y][x];
        for (const auto& [dy, dx] :
             {std::pair{-1, 0}, std::pair{1, 0}, std::pair{0, -1}, std::pair{0, 1}}) {
          const std::int64_t next_y = y + dy, next_x = x + dx;
          if (next_y < 0 || next_y >= height || next_x < 0 || next_x >= width ||
              !open[next_y][next_x])
            continue;
          open[next_y][next_x] = false;
          border.emplace_back(next_y, next_x);
        }
      }
      parts.emplace_back(sum, part);
    }
  }
  std::stable_sort(parts.begin(), parts.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<at::Tensor> out;
  for (const auto& [sum, part] : parts) out.push_back(part);
  return out;
}

/// Families 22 and 23 of the table in docs/modeldiff.md: what the examples at an end of a direction
/// have that others of their class have not, added or pasted.
class MeanDifference final : public Proposer {
 public:
  explicit MeanDifference(MeanDifferenceParams params) : params_(std::move(params)) {}

  std::vector<Transformation> propose(const ProposeRequest& request) const override {
    std::vector<Transformation> out;
    for (std::size_t d = 0; d < request.directions.size(); ++d) {
      const Direction& direction = request.directions[d];
      if (direction.rank >= params_.directions) continue;
      for (const bool positive : {true, false}) {
        const std::optional<Groups> groups = groups_of(direction, positive, request, params_.top);
        if (!groups) continue;
        add(*groups, name_of_end(direction, positive), static_cast<std::int64_t>(d), out);
      }
    }
    return out;
  }

  at::Tensor apply(const Transformation& transformation, const at::Tensor& images) const override {
    if (transformation.family == "mean_difference") {
      return (images + transformation.parameters.at("weight").get<double>() *
                           transformation.tensors.at("difference"))
          .clamp(0, 1);
    }
    return at::where(transformation.tensors.at("mask"), transformation.tensors.at("image"), images);
  }

  std::optional<Transformation> placebo(const Transformation& transformation,
                                        RandomStream& random) const override {
    Transformation out = transformation;
    const at::Tensor& shape = transformation.tensors.begin()->second;
    const std::int64_t height = shape.size(-2), width = shape.size(-1);
    if (transformation.family == "mean_difference") {
      // The same values, each at another pixel.
      const at::Tensor order = at::tensor(random.permutation(height * width), at::kLong);
      out.tensors["difference"] = shape.flatten(1).index_select(1, order).view_as(shape);
      out.label = "pixels permuted: " + out.label;
      return out;
    }
    // The same pixels elsewhere, wrapped around the border; half of the image away in at least one
    // direction.
    const auto down = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(height)));
    const std::int64_t right = width / 2;
    for (auto& [name, tensor] : out.tensors) tensor = tensor.roll({down, right}, {-2, -1});
    out.label = "elsewhere: " + out.label;
    return out;
  }

 private:
  void add(const Groups& groups, const std::string& where, std::int64_t direction,
           std::vector<Transformation>& out) const {
    const at::Tensor top = groups.top.mean(0), rest = groups.rest.mean(0);
    const at::Tensor difference = top - rest;
    for (const double weight : params_.weights) {
      out.push_back({"",
                     "mean_difference",
                     fmt::format("{:g} x mean difference, {}", weight, where),
                     {{"weight", weight}, {"class", groups.label}},
                     {{"difference", difference}},
                     direction});
    }
    const auto error = [](const at::Tensor& images) {
      return images.var(0, /*unbiased=*/true) / static_cast<double>(images.size(0));
    };
    const at::Tensor z =
        (difference.abs() / ((error(groups.top) + error(groups.rest)).sqrt() + kLeastError))
            .amax(0);  // [H, W]
    const at::Tensor different = z.gt(params_.threshold);
    const auto count = different.sum().item<std::int64_t>();
    // Pasting the whole picture is no claim about a feature.
    if (count == 0 || count > z.numel() / 2) return;
    const auto paste = [&](const at::Tensor& mask, const std::string& what) {
      out.push_back(
          {"",
           "blob",
           fmt::format("{} ({} pixels), {}", what, mask.sum().item<std::int64_t>(), where),
           {{"class", groups.label}},
           {{"mask", mask}, {"image", top}},
           direction});
    };
    paste(different, "all different pixels");
    const std::vector<at::Tensor> parts = connected_parts(different, z);
    if (parts.size() < 2) return;
    for (std::size_t i = 0; i < parts.size() && i < static_cast<std::size_t>(params_.blobs); ++i)
      paste(parts[i], fmt::format("blob {}", i + 1));
  }

  MeanDifferenceParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("proposers", "mean_difference", "1.0",
                 "What the strongest training examples have that others of their class have not",
                 MeanDifference, MeanDifferenceParams, R"({"data": "images"})");

}  // namespace modeldiff
