// Generated images whose class is a shape, with a colour that goes with the class: what a model may
// rely on is known.

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "modeldiff/core/random.h"
#include "modeldiff/dataset.h"
#include "modeldiff/plugin.h"
#include "planted_images_params.h"
#include "shapes.h"

namespace modeldiff {
namespace {

using Colour = std::array<float, 3>;

/// Colour k of `count`: hues at equal distances, or shades of grey.
Colour colour_of(std::int64_t k, std::int64_t count, std::int64_t channels) {
  const double share = static_cast<double>(k) / static_cast<double>(count);
  if (channels == 1)
    return {static_cast<float>((static_cast<double>(k) + 1) / static_cast<double>(count)), 0, 0};
  const auto wave = [&](double shift) {
    const double place = std::fmod(share * 6 + shift, 6.0);
    return static_cast<float>(std::clamp(std::abs(place - 3) - 1, 0.0, 1.0));
  };
  return {wave(0), wave(4), wave(2)};
}

class PlantedImages final : public DatasetSource {
 public:
  explicit PlantedImages(const PlantedImagesParams& params) : params_(params) {}

  Dataset load(const Resources&) const override {
    if (params_.channels == 2) throw ConfigError("channels", "must be 1 or 3, got 2");
    Dataset data;
    const auto channels = static_cast<std::size_t>(params_.channels);
    data.facts.name = "planted_images";
    data.facts.input_shape = {params_.channels, params_.size, params_.size};
    data.facts.outputs = params_.classes;
    data.facts.class_names.assign(kShapeNames.begin(), kShapeNames.begin() + params_.classes);
    for (const std::string& shape : data.facts.class_names) {
      for (std::int64_t k = 0; k < params_.classes; ++k) {
        data.facts.groups.push_back(
            fmt::format("{}, colour of {}", shape, kShapeNames[static_cast<std::size_t>(k)]));
      }
    }
    data.facts.mean.assign(channels, 0.5f);
    data.facts.deviation.assign(channels, 0.25f);
    data.facts.fill.assign(channels, 0.5f);
    data.facts.source = fmt::format("generated, seed {}", params_.seed);
    data.train = draw_part("planted_images.train", params_.train, params_.strength);
    data.test = draw_part("planted_images.test", params_.test, params_.test_strength);
    return data;
  }

 private:
  Examples draw_part(const char* role, std::int64_t n, double strength) const {
    const std::int64_t classes = params_.classes,
                       image_size = params_.channels * params_.size * params_.size;
    Examples out;
    out.inputs = at::empty({n, params_.channels, params_.size, params_.size}, at::kFloat);
    out.targets = at::empty({n}, at::kLong);
    out.groups = at::empty({n}, at::kLong);
    for (std::int64_t i = 0; i < n; ++i) {
      RandomStream random(params_.seed, role, static_cast<std::uint64_t>(i));
      const std::int64_t label = i % classes;
      const bool own = random.uniform_double() < strength;
      const auto other =
          1 + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(classes - 1)));
      const std::int64_t colour = own ? label : (label + other) % classes;
      out.targets.data_ptr<std::int64_t>()[i] = label;
      out.groups.data_ptr<std::int64_t>()[i] = label * classes + colour;
      draw_image(label, colour_of(colour, classes, params_.channels), random,
                 out.inputs.data_ptr<float>() + i * image_size);
    }
    return out;
  }

  /// @param out [channels, size, size]
  void draw_image(std::int64_t label, const Colour& colour, RandomStream& random,
                  float* out) const {
    const std::int64_t size = params_.size;
    const std::vector<bool> shape = draw_shape(label, size, random);
    const bool patch = params_.feature == PlantedFeature::patch;
    constexpr float kShade = 0.8f, kGround = 0.3f;
    for (std::int64_t c = 0; c < params_.channels; ++c) {
      const float tint = colour[static_cast<std::size_t>(c)];
      for (std::int64_t row = 0; row < size; ++row) {
        for (std::int64_t column = 0; column < size; ++column) {
          float value = shape[static_cast<std::size_t>(row * size + column)] ? kShade
                        : patch                                              ? kGround
                                                                             : 0.5f * tint;
          value += static_cast<float>(params_.noise * random.normal());
          if (patch && in_patch(row, column)) value = tint;
          *out++ = std::clamp(value, 0.0f, 1.0f);
        }
      }
    }
  }

  /// A square of a quarter of the side, one pixel away from the corner; free of noise.
  bool in_patch(std::int64_t row, std::int64_t column) const {
    const std::int64_t end = 1 + params_.size / 4;
    return row >= 1 && row < end && column >= 1 && column < end;
  }

  PlantedImagesParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("datasets", "planted_images", "1.0",
                 "Generated shapes with a colour that goes with the class", PlantedImages,
                 PlantedImagesParams, "{}")

}  // namespace modeldiff
