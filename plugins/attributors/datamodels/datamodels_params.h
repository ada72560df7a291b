#pragma once

#include <cstdint>
#include <utility>

#include "modeldiff/core/schema.h"

namespace modeldiff {

enum class DatamodelEstimator { lasso, difference_of_means };

template <>
struct Choices<DatamodelEstimator> {
  static constexpr std::pair<DatamodelEstimator, const char*> names[] = {
      {DatamodelEstimator::lasso, "lasso"},
      {DatamodelEstimator::difference_of_means, "difference_of_means"}};
};

/// Parameters of the `datamodels` attributor.
struct DatamodelsParams {
  DatamodelEstimator estimator = DatamodelEstimator::lasso;
  std::int64_t lambdas = 20;
  double ratio = 1e-2;
  double heldout = 0.1;
  bool refit = true;
  std::int64_t patience = 0;
  double gap = 1e-8;

  static Schema<DatamodelsParams> schema() {
    return Schema<DatamodelsParams>("datamodels")
        .field("estimator", &DatamodelsParams::estimator,
               "`lasso`: sparse regression of measurements on masks. `difference_of_means`: mean "
               "with an example less "
               "mean without, unbiased, without tuning.")
        .field("lambdas", &DatamodelsParams::lambdas, "Penalties tried for each query, log spaced.",
               at_least(2))
        .field("ratio", &DatamodelsParams::ratio,
               "The smallest penalty, as a share of the one where all weights are 0.", more_than(0),
               less_than(1))
        .field("heldout", &DatamodelsParams::heldout, "Share of the runs that choose the penalty.",
               more_than(0), less_than(1))
        .field("refit", &DatamodelsParams::refit, "Fit again on all runs at the chosen penalty.")
        .field("patience", &DatamodelsParams::patience,
               "Stop a query's path when its held-out error has not improved for so many "
               "penalties; 0: never.",
               at_least(0))
        .field("gap", &DatamodelsParams::gap,
               "Duality gap at which a fit is done, as a share of |y|^2/2m.", more_than(0));
  }
};

}  // namespace modeldiff
