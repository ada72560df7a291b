#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "modeldiff/core/error.h"
#include "modeldiff/core/schema.h"

namespace modeldiff {

enum class ScheduleKind { constant, step, cosine, one_cycle, triangle };

template <>
struct Choices<ScheduleKind> {
  static constexpr std::pair<ScheduleKind, const char*> names[] = {
      {ScheduleKind::constant, "constant"},
      {ScheduleKind::step, "step"},
      {ScheduleKind::cosine, "cosine"},
      {ScheduleKind::one_cycle, "one_cycle"},
      {ScheduleKind::triangle, "triangle"}};
};

/// How the learning rate moves over the steps of a run; the formulas are at learning_rates().
struct ScheduleParams {
  ScheduleKind kind = ScheduleKind::triangle;
  double peak = 0.2;
  std::vector<double> milestones;
  double factor = 0.1;
  double warmup = 0;

  static ScheduleParams constant() {
    ScheduleParams out;
    out.kind = ScheduleKind::constant;
    return out;
  }

  static Schema<ScheduleParams> schema() {
    return Schema<ScheduleParams>("schedule")
        .field("kind", &ScheduleParams::kind,
               "`constant`; `step`: times `factor` at each milestone; `cosine` to 0; `one_cycle`: "
               "cosine up to `peak`, "
               "then down to almost 0; `triangle`: linear from 0 up to `peak`, then down to 0.")
        .field("peak", &ScheduleParams::peak,
               "Where `triangle` and `one_cycle` have the full rate, as a share of the run.",
               more_than(0), less_than(1))
        .field("milestones", &ScheduleParams::milestones,
               "Where `step` lowers the rate, ascending: below 1 a share of the run, from 1 on a "
               "step.",
               each_item(more_than(0)))
        .field("factor", &ScheduleParams::factor,
               "What `step` multiplies the rate with at each milestone.", more_than(0))
        .field("warmup", &ScheduleParams::warmup,
               "Linear rise before the schedule begins: below 1 a share of the run, from 1 on a "
               "number of steps.",
               at_least(0));
  }
};

/// Keys that contradict each other.
MODELDIFF_API std::vector<Diagnostic> contradictions(const ScheduleParams& schedule);

/// The learning rate of every step t = 0..T-1, T = `steps`, with s = t / T:
///   constant   lr
///   step       lr factor^k, k = number of milestones that are not after t
///   cosine     lr (1 + cos(pi s)) / 2        torch's CosineAnnealingLR with T_max = T
///   triangle   lr s / peak up to s = peak, then lr (1 - s) / (1 - peak)
///   one_cycle  cosine from lr / 25 at t = 0 up to lr at u = peak T - 1,
///              then down to lr / 250,000 at T - 1
///              (Smith and Topin 2017 in torch's form, OneCycleLR)
/// A warmup of W steps has lr (t + 1) / (W + 1); `cosine` then takes the steps that are left for
/// the whole.
/// @param lr the highest rate
/// @throws ConfigError when the warmup leaves no step, or the milestones do not ascend
MODELDIFF_API std::vector<double> learning_rates(const ScheduleParams& schedule, double lr,
                                                 std::int64_t steps);

}  // namespace modeldiff
