#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "colour_params.h"
#include "modeldiff/image.h"
#include "modeldiff/plugin.h"
#include "modeldiff/proposer.h"

namespace modeldiff {
namespace {

/// Rotation of RGB about the grey axis (Rodrigues), [3, 3].
at::Tensor hue_rotation(double degrees) {
  const double angle = degrees * std::numbers::pi / 180, c = std::cos(angle), third = (1 - c) / 3,
               s = std::sin(angle) / std::numbers::sqrt3;
  return at::tensor({c + third, third - s, third + s, third + s, c + third, third - s, third - s,
                     third + s, c + third},
                    at::kFloat)
      .view({3, 3});
}

/// Shares of red, green and blue in the luminance (ITU-R BT.601).
constexpr float kLuminance[] = {0.299f, 0.587f, 0.114f};

/// Families 1 to 7 of the table in docs/modeldiff.md: casts, hue, saturation, brightness, contrast,
/// gamma, channels.
class ColourProposer final : public Proposer {
 public:
  explicit ColourProposer(ColourParams params) : params_(std::move(params)) {}

  std::vector<Transformation> propose(const ProposeRequest& request) const override {
    std::vector<Transformation> out;
    const auto add = [&](const char* family, const std::string& label, double amount,
                         Json more = Json::object()) {
      more["amount"] = amount;
      out.push_back({"", family, label, std::move(more), {}, -1});
    };
    if (request.facts.input_shape[0] == 3) {
      for (const Colour& hue : kHues) {
        for (const double amount : params_.casts)
          add("colour_cast", fmt::format("{} cast of {:g}", hue.name, amount), amount,
              {{"colour", hue.rgb}});
      }
      for (const double degrees : params_.rotations)
        add("hue_rotation", fmt::format("hue rotated by {:g} degrees", degrees), degrees);
      for (const double factor : params_.saturations)
        add("saturation", fmt::format("saturation x {:g}", factor), factor);
      if (params_.channels) add_mixtures(out);
    }
    for (const double amount : params_.brightnesses)
      add("brightness", fmt::format("brightness {:+g}", amount), amount);
    for (const double factor : params_.contrasts)
      add("contrast", fmt::format("contrast x {:g}", factor), factor);
    for (const double exponent : params_.gammas)
      add("gamma", fmt::format("gamma {:g}", exponent), exponent);
    return out;
  }

  at::Tensor apply(const Transformation& transformation, const at::Tensor& images) const override {
    if (transformation.family == "channels")
      return mixed(transformation.tensors.at("mixture"), images).clamp(0, 1);
    const auto amount = transformation.parameters.at("amount").get<double>();
    return changed(transformation, images, amount).clamp(0, 1);
  }

 private:
  /// @param mixture [3, 3]: shares of the old channels in each new one
  static at::Tensor mixed(const at::Tensor& mixture, const at::Tensor& images) {
    return at::einsum("dc,nchw->ndhw", {mixture, images}).contiguous();
  }

  static void add_mixtures(std::vector<Transformation>& out) {
    const auto add = [&](const std::string& label, const at::Tensor& mixture) {
      out.push_back({"", "channels", label, Json::object(), {{"mixture", mixture}}, -1});
    };
    const at::Tensor same = at::eye(3);
    const auto swapped = [&](const at::Tensor& order) { return same.index_select(0, order); };
    add("red and green swapped", swapped(at::tensor({1, 0, 2})));
    add("red and blue swapped", swapped(at::tensor({2, 1, 0})));
    add("green and blue swapped", swapped(at::tensor({0, 2, 1})));
    add("grey", at::tensor(at::ArrayRef<float>(kLuminance)).expand({3, 3}).contiguous());
  }

  static at::Tensor changed(const Transformation& transformation, const at::Tensor& images,
                            double amount) {
    const std::string& family = transformation.family;
    if (family == "colour_cast") {
      const auto colour = transformation.parameters.at("colour").get<std::vector<float>>();
      return images + amount * at::tensor(colour).view({1, 3, 1, 1});
    }
    if (family == "hue_rotation") return mixed(hue_rotation(amount), images);
    if (family == "saturation") {
      const at::Tensor grey = images.mean(1, /*keepdim=*/true);
      return grey + amount * (images - grey);
    }
    if (family == "brightness") return images + amount;
    if (family == "contrast") {
      const at::Tensor mean = images.mean({1, 2, 3}, /*keepdim=*/true);
      return mean + amount * (images - mean);
    }
    return images.pow(amount);
  }

  ColourParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("proposers", "colour", "1.1",
                 "Casts, hue, saturation, brightness, contrast, gamma and channels", ColourProposer,
                 ColourParams, R"({"data": "images"})");

}  // namespace modeldiff
