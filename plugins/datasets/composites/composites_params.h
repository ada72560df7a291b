#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// A label: which images are its objects, and what goes with them.
struct CompositeLabel {
  std::vector<std::string> foreground;
  std::vector<std::string> background;
  double share = 1;

  static Schema<CompositeLabel> schema() {
    using P = CompositeLabel;
    return Schema<CompositeLabel>("label")
        .required("foreground", &P::foreground,
                  "Class folders of the objects. No image is used twice.", item_count(1, 10'000))
        .required("background", &P::background,
                  "Class folders of the backgrounds that are the label's own.",
                  item_count(1, 10'000))
        .field("share", &P::share,
               "Images of this label in each part, in proportion to the shares of the others.",
               more_than(0));
  }
};

/// The objects.
struct ForegroundParams {
  DataPath path;
  std::int64_t size = 22;
  double edge = 0.3;

  static Schema<ForegroundParams> schema() {
    using P = ForegroundParams;
    return Schema<ForegroundParams>("foreground")
        .required("path", &P::path,
                  "Folder, .tar or .tar.gz of train|test/CLASS/FILE, with files .jpg, .jpeg or "
                  ".png.")
        .field("size", &P::size,
               "Height and width to which an object is resized before it is pasted in the middle.",
               at_least(2), unit("pixels"))
        .field("edge", &P::edge,
               "Outer share of the object's radius over which it fades from opaque to "
               "transparent.",
               more_than(0), at_most(1));
  }
};

/// What the objects are pasted on.
struct BackgroundParams {
  DataPath path;
  std::int64_t crop = 28;

  static Schema<BackgroundParams> schema() {
    using P = BackgroundParams;
    return Schema<BackgroundParams>("background")
        .required("path", &P::path, "As that of the foreground.")
        .field("crop", &P::crop,
               "Side of the window, at a random place of the resized background, that is resized "
               "to the whole image.",
               at_least(1), unit("pixels"));
  }
};

enum class ConfounderKind { crop, square };
template <>
struct Choices<ConfounderKind> {
  static constexpr std::pair<ConfounderKind, const char*> names[] = {
      {ConfounderKind::crop, "crop"}, {ConfounderKind::square, "square"}};
};

/// Something in a corner, under the object, of some training images of one label.
struct ConfounderParams {
  ConfounderKind kind = ConfounderKind::square;
  std::string label;
  double share = 0;
  std::int64_t size = 4;
  std::optional<std::vector<double>> colour;
  std::optional<DataPath> path;
  std::vector<std::string> folders;
  std::optional<std::int64_t> window;

  static Schema<ConfounderParams> schema() {
    using P = ConfounderParams;
    return Schema<ConfounderParams>("confounder")
        .required("kind", &P::kind,
                  "`crop`: a window at a random place of an image of the class folders `folders` "
                  "of `path`, training part, resized as backgrounds are; `square`: of one colour.")
        .required("label", &P::label, "The label whose training images have it.")
        .required("share", &P::share, "Share of these images; no image has two confounders.",
                  at_least(0), at_most(1))
        .field("size", &P::size, "Its side; it touches both borders of a corner drawn at random.",
               at_least(1), unit("pixels"))
        .field("colour", &P::colour, "Of a square: red, green, blue.", item_count(3, 3),
               each_item(at_least(0)), each_item(at_most(1)))
        .field("path", &P::path, "Of a crop: as that of the foreground.")
        .field("folders", &P::folders, "Of a crop: class folders of `path`.")
        .field("window", &P::window,
               "Of a crop: side of the window, which is resized to `size`; left out: `size`.",
               at_least(1), unit("pixels"));
  }
};

/// Parameters of the `composites` data set.
struct CompositesParams {
  std::map<std::string, CompositeLabel> labels;
  ForegroundParams foreground;
  BackgroundParams background;
  std::vector<ConfounderParams> confounders;
  std::int64_t train = 4000;
  std::int64_t test = 1000;
  std::int64_t size = 32;
  double strength = 0.95;
  double test_strength = 0.5;
  std::uint64_t seed = 0;
  std::int64_t threads = 0;

  static Schema<CompositesParams> schema() {
    using P = CompositesParams;
    return Schema<CompositesParams>("composites")
        .required("labels", &P::labels, "The labels by name, two or more; sorted.")
        .required("foreground", &P::foreground, "The objects.")
        .required("background", &P::background, "What they are pasted on.")
        .field("confounders", &P::confounders,
               "What some training images show in a corner, and no test image.")
        .field("train", &P::train, "Images of the training part, from the folders train/.",
               at_least(2), unit("images"))
        .field("test", &P::test, "Images of the test part, from the folders test/.", at_least(2),
               unit("images"))
        .field("size", &P::size,
               "Height and width of the images; backgrounds are resized to it first.", at_least(8),
               at_most(1024), unit("pixels"))
        .field("strength", &P::strength,
               "Probability that a training image has its own label's background; otherwise it "
               "has that of another label.",
               at_least(0), at_most(1))
        .field("test_strength", &P::test_strength, "The same for test images.", at_least(0),
               at_most(1))
        .field("seed", &P::seed, "Draws everything.", at_least(0))
        .field("threads", &P::threads, "Threads that decode and paste; 0: one for each core.",
               at_least(0), not_semantic());
  }
};

}  // namespace modeldiff
