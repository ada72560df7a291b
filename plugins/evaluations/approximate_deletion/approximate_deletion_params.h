#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "modeldiff/core/schema.h"
#include "noise.h"

namespace modeldiff {

enum class DistanceBound { certified, empirical };

template <>
struct Choices<DistanceBound> {
  static constexpr std::pair<DistanceBound, const char*> names[] = {
      {DistanceBound::certified, "certified"}, {DistanceBound::empirical, "empirical"}};
};

/// Parameters of the `approximate_deletion` evaluation.
struct ApproximateDeletionParams {
  Reference before;
  Reference truth;
  std::optional<std::int64_t> before_run;
  std::int64_t runs = 40;
  std::int64_t fewest_runs = 20;
  double epsilon = 1;
  double delta = 1e-5;
  NoiseKind mechanism = NoiseKind::gaussian;
  DistanceBound bound = DistanceBound::empirical;
  double margin = 2;
  std::int64_t draws = 10;
  double confidence = 0.95;

  static Schema<ApproximateDeletionParams> schema() {
    return Schema<ApproximateDeletionParams>("approximate_deletion")
        .required("before", &ApproximateDeletionParams::before,
                  "The algorithm whose runs were made before the deletion: `descent`.",
                  names_entry_of("algorithms"))
        .required("truth", &ApproximateDeletionParams::truth,
                  "The algorithm `retrain`, with `vary: true` in its deletion. All other "
                  "algorithms of the experiment are judged against it.",
                  names_entry_of("algorithms"))
        .field("before_run", &ApproximateDeletionParams::before_run,
               "The run of `before` that all runs start from, as their key `run` says; left out: "
               "that of the same number.",
               at_least(0))
        .field("runs", &ApproximateDeletionParams::runs,
               "Deletions: runs of each algorithm, run i of all of them on the same rows.",
               at_least(2))
        .field("fewest_runs", &ApproximateDeletionParams::fewest_runs,
               "With fewer `runs` an empirical bound is refused.", at_least(2))
        .field("epsilon", &ApproximateDeletionParams::epsilon,
               "Of the indistinguishability; at most 1 with Gaussian noise.", more_than(0))
        .field("delta", &ApproximateDeletionParams::delta,
               "Of Gaussian noise; Laplace noise has 0.", more_than(0), less_than(1))
        .field("mechanism", &ApproximateDeletionParams::mechanism, "Which noise is added.")
        .field("bound", &ApproximateDeletionParams::bound,
               "What the noise is scaled by. `empirical`: `margin` times the largest distance to "
               "the retrained weights in the first half of the runs, checked on the other half, "
               "no guarantee; `certified`: a bound of the distance to the optimum on the "
               "remaining data, for linear models with `weight_decay`.")
        .field("margin", &ApproximateDeletionParams::margin, "Of `empirical`.", at_least(1))
        .field("draws", &ApproximateDeletionParams::draws, "Of the noise, in each run.",
               at_least(1))
        .field("confidence", &ApproximateDeletionParams::confidence, "Level of the intervals.",
               more_than(0.5), less_than(1));
  }
};

}  // namespace modeldiff
