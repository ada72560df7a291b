#pragma once

#include <cstdint>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the `synthetic_sparse` data set. Defaults: the shape of RCV1.
struct SyntheticSparseParams {
  std::int64_t train = 20242;
  std::int64_t test = 5000;
  std::int64_t columns = 47236;
  std::int64_t numbers = 74;
  double exponent = 1.1;
  std::int64_t relevant = 500;
  double flips = 0.05;
  bool sparse = true;
  std::uint64_t seed = 0;

  static Schema<SyntheticSparseParams> schema() {
    using P = SyntheticSparseParams;
    return Schema<P>("synthetic_sparse")
        .field("train", &P::train, "Rows of the training part.", at_least(2), at_most(1e6),
               unit("rows"))
        .field("test", &P::test, "Rows of the test part.", at_least(2), at_most(1e6), unit("rows"))
        .field("columns", &P::columns, "Columns.", at_least(2), at_most(1e7))
        .field("numbers", &P::numbers, "Numbers of a row that are not 0.", at_least(1),
               at_most(2000))
        .field("exponent", &P::exponent,
               "Column k is drawn with a probability in proportion to (k + 1)^-exponent (Zipf).",
               at_least(0), at_most(2))
        .field("relevant", &P::relevant, "Columns on which the label depends.", at_least(1))
        .field("flips", &P::flips, "Probability that a label is the wrong one.", at_least(0),
               at_most(1))
        .field("sparse", &P::sparse, "Leave the zeros out; `false`: a dense table.")
        .field("seed", &P::seed, "Draws everything; row i is the same in a larger part.",
               at_least(0));
  }
};

}  // namespace modeldiff
