#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "modeldiff/core/schema.h"
#include "modeldiff/data_change.h"

namespace modeldiff {

enum class QuasiHessianKind { multisecant, multisecant_kfac, compact_bfgs };

template <>
struct Choices<QuasiHessianKind> {
  static constexpr std::pair<QuasiHessianKind, const char*> names[] = {
      {QuasiHessianKind::multisecant, "multisecant"},
      {QuasiHessianKind::multisecant_kfac, "multisecant_kfac"},
      {QuasiHessianKind::compact_bfgs, "compact_bfgs"}};
};

enum class ExactStepsKind { periodic, adaptive };

template <>
struct Choices<ExactStepsKind> {
  static constexpr std::pair<ExactStepsKind, const char*> names[] = {
      {ExactStepsKind::periodic, "periodic"}, {ExactStepsKind::adaptive, "adaptive"}};
};

/// Which steps compute the gradient of the whole batch.
struct ExactStepsParams {
  ExactStepsKind kind = ExactStepsKind::periodic;
  std::int64_t burn_in = 4;
  std::int64_t period = 8;
  double tolerance = 0.02;
  std::int64_t longest = 60;

  static Schema<ExactStepsParams> schema() {
    return Schema<ExactStepsParams>("exact")
        .field("kind", &ExactStepsParams::kind,
               "`periodic`: each `period`-th; `adaptive`: after a gap that grows by half while the "
               "last prediction was within `tolerance`, and shrinks to 0.6 of it when not.")
        .field("burn_in", &ExactStepsParams::burn_in, "The first steps are exact (j0).",
               at_least(0), unit("steps"))
        .field("period", &ExactStepsParams::period, "Of `periodic` (T0).", at_least(1),
               unit("steps"))
        .field("tolerance", &ExactStepsParams::tolerance,
               "Of `adaptive`: largest |y - H s| / |y| of a good prediction.", more_than(0))
        .field("longest", &ExactStepsParams::longest, "Of `adaptive`: longest gap.", at_least(1),
               unit("steps"));
  }
};

enum class Safeguards { automatic, all, none };

template <>
struct Choices<Safeguards> {
  static constexpr std::pair<Safeguards, const char*> names[] = {
      {Safeguards::automatic, "auto"}, {Safeguards::all, "all"}, {Safeguards::none, "none"}};
};

/// When a stream of changes retrains exactly, so that errors do not add up for ever.
struct RefreshParams {
  std::int64_t every = 0;
  double above = 0;

  static Schema<RefreshParams> schema() {
    return Schema<RefreshParams>("refresh")
        .field("every", &RefreshParams::every, "After so many requests; 0: never.", at_least(0))
        .field("above", &RefreshParams::above,
               "After a request whose audits found a mean error above this; 0: never.",
               at_least(0));
  }
};

/// Parameters of the learning algorithm `deltagrad`.
struct DeltaGradParams {
  Reference from;
  std::optional<std::int64_t> run;
  ChangeParams change;
  QuasiHessianKind quasi_hessian = QuasiHessianKind::multisecant;
  std::int64_t pairs = 10;
  ExactStepsParams exact;
  Safeguards safeguards = Safeguards::automatic;
  std::int64_t audits = 0;
  std::int64_t requests = 1;
  RefreshParams refresh;
  std::int64_t at_once = 1;
  bool trajectory = false;

  static Schema<DeltaGradParams> schema() {
    return Schema<DeltaGradParams>("deltagrad")
        .required("from", &DeltaGradParams::from,
                  "The algorithm `descent` whose trajectory is corrected.",
                  names_entry_of("algorithms"))
        .field("run", &DeltaGradParams::run,
               "Which of its runs; left out: that of the same number.", at_least(0))
        .field("change", &DeltaGradParams::change, "What is changed of the training set.")
        .field("quasi_hessian", &DeltaGradParams::quasi_hessian,
               "`compact_bfgs` is the paper's; `multisecant` holds all its pairs at once; "
               "`multisecant_kfac`, of linear models, has beside them a Kronecker product of input "
               "moments and output Hessians.")
        .field("pairs", &DeltaGradParams::pairs,
               "Differences of weights and gradients that are kept (m); the paper has 2.",
               at_least(1), at_most(64))
        .field("exact", &DeltaGradParams::exact, "Which steps compute the whole gradient.",
               shorthand_for("kind"))
        .field(
            "safeguards", &DeltaGradParams::safeguards,
            "Where steps are stiff or the loss is not convex, an exact step after a prediction "
            "that "
            "was worse than none; where it is not convex also pairs of positive curvature only, at "
            "most two steps older than an exact step, and an exact step in place of a product that "
            "is too long. `all`: all of it for every loss; `none`: nothing.")
        .field("audits", &DeltaGradParams::audits,
               "Approximate steps, drawn at random, whose true gradient is computed as well, and "
               "the error told; it changes nothing.",
               at_least(0))
        .field("requests", &DeltaGradParams::requests,
               "So many changes one after the other, each on the corrected trajectory that the one "
               "before left: request i takes the i-th part of the random order.",
               at_least(1))
        .field("refresh", &DeltaGradParams::refresh,
               "Of a stream of requests: when one is answered by retraining.",
               shorthand_for("every"))
        .field(
            "at_once", &DeltaGradParams::at_once,
            "Runs that follow one run (`run: 0`) whose exact steps are made in one pass over the "
            "data; best a multiple of 8. It may change the last digits.",
            at_least(1), at_most(256))
        .field("trajectory", &DeltaGradParams::trajectory,
               "Leave the corrected gradients, so that others can start from this run.");
  }
};

}  // namespace modeldiff
