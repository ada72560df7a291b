#pragma once

#include <cstdint>
#include <utility>

#include "modeldiff/core/schema.h"

namespace modeldiff {

enum class PlantedFeature { patch, background };
template <>
struct Choices<PlantedFeature> {
  static constexpr std::pair<PlantedFeature, const char*> names[] = {
      {PlantedFeature::patch, "patch"}, {PlantedFeature::background, "background"}};
};

/// Parameters of the `planted_images` data set.
struct PlantedImagesParams {
  std::int64_t train = 2000;
  std::int64_t test = 1000;
  std::int64_t size = 16;
  std::int64_t channels = 3;
  std::int64_t classes = 2;
  PlantedFeature feature = PlantedFeature::patch;
  double strength = 0.95;
  double test_strength = 0.5;
  double noise = 0.1;
  std::uint64_t seed = 0;

  static Schema<PlantedImagesParams> schema() {
    return Schema<PlantedImagesParams>("planted_images")
        .field("train", &PlantedImagesParams::train,
               "Images of the training part, equally many of each class.", at_least(2),
               unit("images"))
        .field("test", &PlantedImagesParams::test, "Images of the test part.", at_least(2),
               unit("images"))
        .field("size", &PlantedImagesParams::size, "Height and width.", at_least(8), at_most(256),
               unit("pixels"))
        .field("channels", &PlantedImagesParams::channels,
               "3: the feature is a hue; 1: a shade of grey.", at_least(1), at_most(3))
        .field("classes", &PlantedImagesParams::classes, "Shapes to tell apart.", at_least(2),
               at_most(8))
        .field("feature", &PlantedImagesParams::feature,
               "What goes with the class: the colour of a `patch` at the top left, or of the "
               "`background`.")
        .field("strength", &PlantedImagesParams::strength,
               "Probability that a training image has its own class's colour; otherwise it is that "
               "of another class.",
               at_least(0), at_most(1))
        .field("test_strength", &PlantedImagesParams::test_strength, "The same for test images.",
               at_least(0), at_most(1))
        .field("noise", &PlantedImagesParams::noise,
               "Standard deviation of the normal noise on each pixel in [0, 1].", at_least(0))
        .field("seed", &PlantedImagesParams::seed,
               "Draws everything; image i is the same in a larger data set.", at_least(0));
  }
};

}  // namespace modeldiff
