#pragma once

#include <cstdint>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the data set `my_plugin`.
struct MyPluginParams {
  std::int64_t classes = 3;
  std::int64_t train = 300;
  std::int64_t test = 300;
  double spread = 0.3;
  std::uint64_t seed = 0;

  static Schema<MyPluginParams> schema() {
    using P = MyPluginParams;
    return Schema<P>("my_plugin")
        .field("classes", &P::classes, "Blobs, each a class.", at_least(2), at_most(20))
        .field("train", &P::train, "Training examples.", at_least(1), unit("examples"))
        .field("test", &P::test, "Test examples.", at_least(1), unit("examples"))
        .field("spread", &P::spread,
               "Standard deviation of a blob; the centres are on the unit circle.", more_than(0))
        .field("seed", &P::seed, "Another seed, other examples.", at_least(0));
  }
};

}  // namespace modeldiff
