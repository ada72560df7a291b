#pragma once

#include <utility>
#include <vector>

#include "modeldiff/core/schema.h"

namespace modeldiff {

enum class CifarLabels { fine, coarse };
template <>
struct Choices<CifarLabels> {
  static constexpr std::pair<CifarLabels, const char*> names[] = {{CifarLabels::fine, "fine"},
                                                                  {CifarLabels::coarse, "coarse"}};
};

/// Parameters of the `cifar` data set.
struct CifarParams {
  DataPath path{"cifar-10-binary.tar.gz"};
  CifarLabels labels = CifarLabels::fine;
  std::vector<double> mean = {0.4914, 0.4822, 0.4465};
  std::vector<double> deviation = {0.2470, 0.2435, 0.2616};

  static Schema<CifarParams> schema() {
    return Schema<CifarParams>("cifar")
        .field("path", &CifarParams::path,
               "The archive of the binary version, or the folder that it unpacks to.")
        .field("labels", &CifarParams::labels,
               "CIFAR-100: `fine`, the 100 classes; `coarse`, the 20 superclasses, with the fine "
               "class as group.")
        .field("mean", &CifarParams::mean,
               "A model sees (x - mean) / deviation of pixels x in [0, 1], per channel; the mean "
               "is also what hides a pixel.",
               item_count(3, 3), each_item(at_least(0)), each_item(at_most(1)))
        .field("deviation", &CifarParams::deviation, "See `mean`.", item_count(3, 3),
               each_item(more_than(0)));
  }
};

}  // namespace modeldiff
