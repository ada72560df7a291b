#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// Parameters of the `retrain_curve` evaluation.
struct RetrainCurveParams {
  std::vector<double> x;
  std::string x_label = "x";
  bool logarithmic = false;
  std::vector<Reference> before;
  std::vector<Reference> truth;
  std::map<std::string, std::vector<Reference>> series;
  std::int64_t runs = 3;
  double confidence = 0.95;

  static Schema<RetrainCurveParams> schema() {
    return Schema<RetrainCurveParams>("retrain_curve")
        .required("x", &RetrainCurveParams::x, "What is varied, one number a point.",
                  item_count(1, 64))
        .field("x_label", &RetrainCurveParams::x_label, "What the numbers are.")
        .field("logarithmic", &RetrainCurveParams::logarithmic, "Draw them by their logarithm.")
        .required(
            "before", &RetrainCurveParams::before,
            "The algorithm whose runs were made before the change: one for all points, or one "
            "a point.",
            names_entry_of("algorithms"), item_count(1, 64))
        .required("truth", &RetrainCurveParams::truth,
                  "The algorithm that retrains on the changed data, likewise.",
                  names_entry_of("algorithms"), item_count(1, 64))
        .required(
            "series", &RetrainCurveParams::series,
            "By the name of a line, the algorithms that stand in for retraining, one a point.",
            each_item(names_entry_of("algorithms")), each_item(item_count(1, 64)))
        .field("runs", &RetrainCurveParams::runs, "Runs of each algorithm.", at_least(1))
        .field("confidence", &RetrainCurveParams::confidence, "Level of the intervals.",
               more_than(0.5), less_than(1));
  }
};

}  // namespace modeldiff
