#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "common/sizes.h"
#include "crops_params.h"
#include "modeldiff/core/random.h"
#include "modeldiff/plugin.h"
#include "modeldiff/proposer.h"

namespace modeldiff {
namespace {

/// Crops of images of given classes in the corners, one corner after the other: a feature that is
/// expected beforehand and that nobody can draw. Each carries, as its placebo, a crop of an image of
/// another class. The images are those of the request, which may be of another data set.
class Crops final : public Proposer {
 public:
  explicit Crops(CropsParams params) : params_(std::move(params)) {}

  std::vector<Transformation> propose(const ProposeRequest& request) const override {
    const std::vector<std::string> names = class_names(request.facts);
    at::Tensor in_classes = at::zeros({request.train.size()}, at::kBool);
    std::vector<std::int64_t> wanted;
    for (const std::string& name : params_.classes) {
      const at::Tensor of_class = request.train.targets.eq(class_index(names, name));
      in_classes |= of_class;
      const at::Tensor rows = of_class.nonzero().squeeze(1);
      if (rows.size(0) < params_.count) {
        throw ConfigError("count", fmt::format("asks for {} images of class '{}', there are {}",
                                               params_.count, name, rows.size(0)));
      }
      RandomStream random(request.seed, "crops." + name);
      for (const std::int64_t k : random.choose(rows.size(0), params_.count))
        wanted.push_back(rows[k].item<std::int64_t>());
    }
    const at::Tensor others = in_classes.logical_not().nonzero().squeeze(1);
    if (others.size(0) == 0)
      throw ConfigError("classes", "are all that there are; none is left for placebos");

    std::vector<Transformation> out;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      RandomStream random(request.seed, "crops", i);
      const auto k =
          static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(others.size(0))));
      const at::Tensor crop = crop_of(request, wanted[i], random),
                       instead = crop_of(request, others[k].item<std::int64_t>(), random);
      const std::int64_t side = crop.size(1),
                         row = i / 2 % 2 ? request.facts.input_shape[1] - side : 0,
                         column = i % 2 ? request.facts.input_shape[2] - side : 0;
      const std::string& name = params_.classes[i / static_cast<std::size_t>(params_.count)];
      out.push_back({"",
                     "crop_of_class",
                     fmt::format("{}x{} crop of {}, example {}, at row {}, column {}", side, side,
                                 name, wanted[i], row, column),
                     {{"example", wanted[i]}, {"row", row}, {"column", column}},
                     {{"crop", crop}, {"other_crop", instead}},
                     -1});
    }
    return out;
  }

  at::Tensor apply(const Transformation& transformation, const at::Tensor& images) const override {
    const at::Tensor& crop = transformation.tensors.at("crop");
    at::Tensor out = images.clone();
    out.narrow(2, transformation.parameters.at("row").get<std::int64_t>(), crop.size(1))
        .narrow(3, transformation.parameters.at("column").get<std::int64_t>(), crop.size(2))
        .copy_(crop);
    return out;
  }

  std::optional<Transformation> placebo(const Transformation& transformation,
                                        RandomStream&) const override {
    Transformation out = transformation;
    out.tensors["crop"] = transformation.tensors.at("other_crop");
    out.label = "of another class: " + out.label;
    return out;
  }

 private:
  static std::vector<std::string> class_names(const DataFacts& facts) {
    std::vector<std::string> names = facts.class_names;
    if (names.empty()) {
      for (std::int64_t c = 0; c < facts.outputs; ++c) names.push_back(fmt::format("{}", c));
    }
    return names;
  }

  static std::int64_t class_index(const std::vector<std::string>& names, const std::string& name) {
    const auto at = std::find(names.begin(), names.end(), name);
    if (at == names.end()) {
      throw ConfigError("classes", fmt::format("there is no class '{}'; there are {}", name,
                                               fmt::join(names, ", ")));
    }
    return at - names.begin();
  }

  /// A window at a random place. @return [channels, side, side] float32 in [0, 1]
  at::Tensor crop_of(const ProposeRequest& request, std::int64_t example,
                     RandomStream& random) const {
    const std::int64_t side = pixels_of(params_.size, request.facts),
                       window = pixels_of(params_.window.value_or(params_.size), request.facts);
    const at::Tensor images = request.train.floats(example, example + 1);
    const auto place = [&](std::int64_t length) {
      return static_cast<std::int64_t>(
          random.below(static_cast<std::uint64_t>(length - window + 1)));
    };
    const std::int64_t row = place(images.size(2)), column = place(images.size(3));
    const at::Tensor cut = images.narrow(2, row, window).narrow(3, column, window);
    if (window == side) return cut[0].contiguous();
    return at::_upsample_bilinear2d_aa(cut.contiguous(), {side, side}, /*align_corners=*/false)[0]
        .clamp(0, 1)
        .contiguous();
  }

  CropsParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("proposers", "crops", "1.0",
                 "Crops of images of given classes, of this or another data set, in the corners",
                 Crops, CropsParams, R"({"data": "images"})");

}  // namespace modeldiff
