#pragma once

#include <string>
#include <vector>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the `mnist` data set.
struct MnistParams {
  DataPath path{"mnist"};
  std::vector<std::string> class_names = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  double mean = 0.13;
  double deviation = 1;

  static Schema<MnistParams> schema() {
    return Schema<MnistParams>("mnist")
        .field("path", &MnistParams::path,
               "Folder with the four IDX files, plain or as .gz, under their official names.")
        .field("class_names", &MnistParams::class_names,
               "Names of the labels 0, 1, ...; their number is that of the classes.",
               item_count(2, 256))
        .field("mean", &MnistParams::mean,
               "A model sees (x - mean) / deviation of pixels x in [0, 1].")
        .field("deviation", &MnistParams::deviation, "See `mean`.", more_than(0));
  }
};

}  // namespace modeldiff
