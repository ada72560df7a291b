#include <ATen/ATen.h>
#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "common/random_phase.h"
#include "common/sizes.h"
#include "modeldiff/plugin.h"
#include "modeldiff/proposer.h"
#include "patterns.h"
#include "textures_params.h"

namespace modeldiff {
namespace {

/// Of a web's threads, at 32 pixels.
constexpr double kThread = 1;

/// Family 10 of the table in docs/modeldiff.md: textures that are laid over the whole image.
class Textures final : public Proposer {
 public:
  explicit Textures(TexturesParams params) : params_(std::move(params)) {}

  std::vector<Transformation> propose(const ProposeRequest& request) const override {
    const std::int64_t height = request.facts.input_shape[1], width = request.facts.input_shape[2];
    const double scale = scale_of(request.facts);
    std::vector<Transformation> out;
    for (const Dots& one : params_.dots) {
      add(out, "dots", fmt::format("dots of radius {:g}, {:g} apart", one.radius, one.spacing),
          dots(height, width, one.radius * scale, one.spacing * scale), request.facts);
    }
    for (const Stripes& one : params_.stripes) {
      add(out, "stripes",
          fmt::format("stripes of period {:g} at {:g} degrees", one.period, one.angle),
          stripes(height, width, one.period * scale, one.angle), request.facts);
    }
    for (const Web& one : params_.webs) {
      add(out, "web", fmt::format("web of {} spokes and {} rings", one.spokes, one.rings),
          web(height, width, one.spokes, one.rings, kThread * scale), request.facts);
    }
    for (const double side : params_.checkers)
      add(out, "checker", fmt::format("checker of {:g}", side),
          checker(height, width, side * scale), request.facts);
    return out;
  }

  at::Tensor apply(const Transformation& transformation, const at::Tensor& images) const override {
    return (images + transformation.parameters.at("weight").get<double>() *
                         transformation.tensors.at("pattern"))
        .clamp(0, 1);
  }

  std::optional<Transformation> placebo(const Transformation& transformation,
                                        RandomStream& random) const override {
    Transformation out = transformation;
    out.tensors["pattern"] = with_random_phase(transformation.tensors.at("pattern"), random);
    out.label = "random phase: " + out.label;
    return out;
  }

 private:
  /// What is added to an image, and how that is said.
  static std::pair<at::Tensor, const char*> in_form(Form form, const at::Tensor& pattern,
                                                    const DataFacts& facts) {
    switch (form) {
      case Form::additive:
        break;
      case Form::zero_mean:
        return {pattern - pattern.mean(), ", zero mean"};
      case Form::centred:
        return {pattern - at::tensor(facts.mean).view({-1, 1, 1}), ", centred"};
    }
    return {pattern, ""};
  }

  /// In each form, with each weight.
  void add(std::vector<Transformation>& out, const char* family, const std::string& what,
           const at::Tensor& pattern, const DataFacts& facts) const {
    for (const Form form : params_.forms) {
      const auto [added, words] = in_form(form, pattern, facts);
      for (const double weight : params_.weights) {
        out.push_back({"",
                       family,
                       fmt::format("{:g} x {}{}", weight, what, words),
                       {{"weight", weight}},
                       {{"pattern", added}},
                       -1});
      }
    }
  }

  TexturesParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("proposers", "textures", "1.1", "Dots, stripes, webs and checkers over the image",
                 Textures, TexturesParams, R"({"data": "images"})");

}  // namespace modeldiff
