#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the `image_folder` data set.
struct ImageFolderParams {
  DataPath path;
  std::optional<std::int64_t> size;
  std::int64_t channels = 3;
  std::vector<std::string> classes;
  std::vector<std::string> without;
  std::map<std::string, std::vector<std::string>> merge;
  double test_fraction = 0.2;
  std::uint64_t split_seed = 0;
  std::optional<std::vector<double>> mean;
  std::optional<std::vector<double>> deviation;
  double memory_limit = 8;
  std::int64_t threads = 0;

  static Schema<ImageFolderParams> schema() {
    return Schema<ImageFolderParams>("image_folder")
        .required(
            "path", &ImageFolderParams::path,
            "Folder, .tar or .tar.gz of [train|test/]CLASS/FILE, with files .jpg, .jpeg or .png.")
        .field("size", &ImageFolderParams::size,
               "Height and width that every image is resized to. Left out: all must have the same "
               "size.",
               at_least(1), at_most(1024), unit("pixels"))
        .field("channels", &ImageFolderParams::channels, "3: red, green, blue; 1: grey.",
               at_least(1), at_most(3))
        .field("classes", &ImageFolderParams::classes,
               "Class folders to keep, in the order of the labels; empty: all, sorted.")
        .field("without", &ImageFolderParams::without, "Class folders to leave out.")
        .field("merge", &ImageFolderParams::merge,
               "Superclass: [class folders]. The class folder becomes the example's group.")
        .field("test_fraction", &ImageFolderParams::test_fraction,
               "Share of each class's images that makes the test part, where there are no folders "
               "train/ and test/.",
               more_than(0), less_than(1))
        .field("split_seed", &ImageFolderParams::split_seed, "Draws that part.", at_least(0))
        .field("mean", &ImageFolderParams::mean,
               "A model sees (x - mean) / deviation of pixels x in [0, 1], per channel; the mean "
               "also hides pixels. Left "
               "out: that of the training part.",
               item_count(1, 3))
        .field("deviation", &ImageFolderParams::deviation, "See `mean`.", item_count(1, 3),
               each_item(more_than(0)))
        .field("memory_limit", &ImageFolderParams::memory_limit,
               "Most memory for the decoded images.", more_than(0), unit("GiB"), not_semantic())
        .field("threads", &ImageFolderParams::threads, "Threads that decode; 0: one for each core.",
               at_least(0), not_semantic());
  }
};

}  // namespace modeldiff
