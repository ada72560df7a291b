#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// What an overlay does to the image's mean.
enum class Form { additive, zero_mean, centred };
template <>
struct Choices<Form> {
  static constexpr std::pair<Form, const char*> names[] = {
      {Form::additive, "additive"}, {Form::zero_mean, "zero_mean"}, {Form::centred, "centred"}};
};

struct Dots {
  double radius = 2;
  double spacing = 8;

  static Schema<Dots> schema() {
    return Schema<Dots>("dots")
        .field("radius", &Dots::radius, "Of each dot.", more_than(0), unit("pixels"))
        .field("spacing", &Dots::spacing, "Between the centres of neighbours.", more_than(0),
               unit("pixels"));
  }
};

struct Stripes {
  double period = 4;
  double angle = 0;

  static Schema<Stripes> schema() {
    return Schema<Stripes>("stripes")
        .field("period", &Stripes::period, "One light and one dark stripe.", more_than(0),
               unit("pixels"))
        .field("angle", &Stripes::angle, "0: upright stripes; 90: lying ones.", unit("degrees"));
  }
};

struct Web {
  std::int64_t spokes = 8;
  std::int64_t rings = 4;

  static Schema<Web> schema() {
    return Schema<Web>("web")
        .field("spokes", &Web::spokes, "Threads from the centre to the border.", at_least(3))
        .field("rings", &Web::rings, "Polygons around the centre.", at_least(0));
  }
};

/// Parameters of the `textures` proposer. Lengths are given for 32 pixels and scale with the image.
struct TexturesParams {
  std::vector<Dots> dots = {{}};
  std::vector<Stripes> stripes = {{4, 0}, {4, 90}, {8, 45}};
  std::vector<Web> webs = {{}};
  std::vector<double> checkers = {4};
  std::vector<double> weights = {0.2, 0.4};
  std::vector<Form> forms = {Form::additive, Form::zero_mean};

  static Schema<TexturesParams> schema() {
    using P = TexturesParams;
    return Schema<P>("textures")
        .field("dots", &P::dots, "Dots on a square grid.", item_count(0, 16))
        .field("stripes", &P::stripes, "Straight stripes.", item_count(0, 16))
        .field("webs", &P::webs, "Spider webs around the image's centre.", item_count(0, 16))
        .field("checkers", &P::checkers, "Sides of the fields of checkers.", item_count(0, 16),
               each_item(more_than(0)), unit("pixels"))
        .field("weights", &P::weights, "Of the texture in the sum; below 0 it darkens.",
               item_count(1, 16))
        .field("forms", &P::forms,
               "`additive`: the texture is added; `zero_mean`: the texture less its mean, which "
               "leaves the image's mean as it is; `centred`: the texture less the mean of the data "
               "set in each channel, which darkens beside it, as in the ModelDiff paper's study.",
               item_count(1, 3));
  }
};

}  // namespace modeldiff
