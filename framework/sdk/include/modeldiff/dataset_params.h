#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "modeldiff/core/schema.h"
#include "modeldiff/region.h"

/// What an experiment file may say of a data set beside its plugin's own parameters, in the order
/// in which it is done: split, subset, relabel, plant. Free of torch, so that files are checked
/// without it. A class is given by name or by number; a name that looks like a number is meant
/// before the number.
namespace modeldiff {

/// Training and test part are put together and divided anew.
struct SplitParams {
  double fraction = 0.8;
  std::uint64_t seed = 0;

  static Schema<SplitParams> schema() {
    return Schema<SplitParams>("split")
        .field("fraction", &SplitParams::fraction,
               "Share of all examples that makes the training part.", more_than(0), less_than(1))
        .field("seed", &SplitParams::seed, "Another seed, another division.", at_least(0));
  }
};

/// Some of the examples, in their old order.
struct SubsetParams {
  std::optional<std::int64_t> train;
  std::optional<double> fraction;
  std::optional<std::int64_t> test;
  bool balanced = false;
  std::uint64_t seed = 0;

  static Schema<SubsetParams> schema() {
    return Schema<SubsetParams>("subset")
        .field("train", &SubsetParams::train, "Training examples to keep; left out: all.",
               at_least(1), unit("examples"))
        .field("fraction", &SubsetParams::fraction, "The same as a share of the training part.",
               more_than(0), at_most(1))
        .field("test", &SubsetParams::test, "Test examples to keep; left out: all.", at_least(1),
               unit("examples"))
        .field("balanced", &SubsetParams::balanced,
               "Keep equally many of each class; what cannot be divided goes to the first classes, "
               "one each.")
        .field("seed", &SubsetParams::seed, "Another seed, another draw.", at_least(0));
  }
};

/// Label noise in the training part. The truth is kept as the examples' group: "kept" or
/// "relabelled from CLASS".
struct RelabelParams {
  std::optional<double> fraction;
  std::optional<std::int64_t> count;
  std::optional<Json> of;
  Json to = "uniform";
  std::uint64_t seed = 0;

  static Schema<RelabelParams> schema() {
    return Schema<RelabelParams>("relabel")
        .field("fraction", &RelabelParams::fraction,
               "Share of the training examples (of class `of`) that get a wrong label.",
               more_than(0), at_most(1))
        .field("count", &RelabelParams::count, "The same as a number.", at_least(1),
               unit("examples"))
        .field("of", &RelabelParams::of, "Only examples of this class; left out: of any.")
        .field("to", &RelabelParams::to,
               "The wrong label: a class, or `uniform`, one of the other classes at random.")
        .field("seed", &RelabelParams::seed, "Another seed, another draw.", at_least(0));
  }
};

/// A mark on some images of one class, with labels and all other pixels as they are: what a model
/// can learn from it is known. Never on examples whose label is wrong.
struct PlantParams {
  Json target_class;
  Region mark;
  std::vector<double> colour = {1};
  double contrast = 1;
  std::optional<double> fraction;
  std::optional<std::int64_t> count;
  std::optional<double> query_fraction;
  std::uint64_t seed = 0;

  static Schema<PlantParams> schema() {
    return Schema<PlantParams>("plant")
        .required("class", &PlantParams::target_class, "The class whose images are marked.")
        .field("mark", &PlantParams::mark, "Which pixels; `mark: corners` for short.",
               shorthand_for("shape"))
        .field("colour", &PlantParams::colour,
               "Of the mark: one value for all channels, or one for each.", item_count(1, 3),
               each_item(at_least(0)), each_item(at_most(1)))
        .field("contrast", &PlantParams::contrast,
               "Pixels x become (1 - contrast) x + contrast colour.", more_than(0), at_most(1))
        .field("fraction", &PlantParams::fraction,
               "Share of the class's training images that are marked.", more_than(0), at_most(1))
        .field("count", &PlantParams::count, "The same as a number.", at_least(1), unit("images"))
        .field("query_fraction", &PlantParams::query_fraction,
               "Share of the class's test images that are marked; left out: as for training.",
               at_least(0), at_most(1))
        .field("seed", &PlantParams::seed, "Another seed, other images.", at_least(0));
  }
};

/// Keys of `dataset:` and of each entry of `datasets:`.
struct DatasetParams {
  std::optional<SplitParams> split;
  std::optional<SubsetParams> subset;
  std::optional<RelabelParams> relabel;
  std::optional<PlantParams> plant;

  static Schema<DatasetParams> schema() {
    return Schema<DatasetParams>("dataset")
        .field("split", &DatasetParams::split,
               "Divides all examples anew into a training and a test part.")
        .field("subset", &DatasetParams::subset, "Keeps some of the examples.")
        .field("relabel", &DatasetParams::relabel, "Gives some training examples a wrong label.")
        .field("plant", &DatasetParams::plant, "Marks some images of a class, in both parts.");
  }
};

}  // namespace modeldiff
