#include "modeldiff/schedule.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

/// torch's OneCycleLR: the first rate is the highest by 25, the last the first by 10,000.
constexpr double kOneCycleFirst = 1.0 / 25;
constexpr double kOneCycleLast = kOneCycleFirst * 1e-4;

/// Below 1 a share of the run, from 1 on a step.
std::int64_t step_of(double position, std::int64_t steps) {
  return std::llround(position < 1 ? position * static_cast<double>(steps) : position);
}

/// From `first` at 0 to `last` at 1 along half a cosine.
double cosine_between(double first, double last, double share) {
  return last + (first - last) * (1 + std::cos(std::numbers::pi * share)) / 2;
}

double triangle(double s, double peak) { return s <= peak ? s / peak : (1 - s) / (1 - peak); }

double one_cycle(std::int64_t t, std::int64_t steps, double peak) {
  const double summit = std::max(0.0, peak * static_cast<double>(steps) - 1);
  const double now = static_cast<double>(t), end = static_cast<double>(steps - 1);
  if (now == summit) return 1;
  return now < summit ? cosine_between(kOneCycleFirst, 1, now / summit)
                      : cosine_between(1, kOneCycleLast, (now - summit) / (end - summit));
}

std::vector<std::int64_t> milestone_steps(const ScheduleParams& schedule, std::int64_t steps) {
  std::vector<std::int64_t> out;
  for (const double milestone : schedule.milestones) out.push_back(step_of(milestone, steps));
  if (!std::is_sorted(out.begin(), out.end())) {
    throw ConfigError("schedule.milestones",
                      fmt::format("must ascend, but in a run of {} steps they are {}", steps,
                                  fmt::join(out, ", ")));
  }
  return out;
}

}  // namespace

std::vector<Diagnostic> contradictions(const ScheduleParams& schedule) {
  std::vector<Diagnostic> out;
  const auto add = [&](const char* key, std::string message) {
    Diagnostic& found = out.emplace_back();
    found.path = key;
    found.message = std::move(message);
  };
  const bool steps_down = schedule.kind == ScheduleKind::step;
  if (steps_down && schedule.milestones.empty()) {
    add("milestones", "are missing: where `step` lowers the rate");
  }
  if (!steps_down && !schedule.milestones.empty()) {
    add("milestones",
        fmt::format("belong to the schedule `step`, not to `{}`",
                    FieldTraits<ScheduleKind>::write(schedule.kind).get<std::string>()));
  }
  const bool rises =
      schedule.kind == ScheduleKind::triangle || schedule.kind == ScheduleKind::one_cycle;
  if (rises && schedule.warmup > 0) {
    add("warmup", fmt::format("is part of `{}` already: move its `peak`",
                              FieldTraits<ScheduleKind>::write(schedule.kind).get<std::string>()));
  }
  return out;
}

std::vector<double> learning_rates(const ScheduleParams& schedule, double lr, std::int64_t steps) {
  const std::int64_t warmup = step_of(schedule.warmup, steps);
  if (warmup >= steps) {
    throw ConfigError("schedule.warmup",
                      fmt::format("takes {} steps, and the run has only {}", warmup, steps));
  }
  const std::vector<std::int64_t> milestones = milestone_steps(schedule, steps);
  const auto share_at = [&](std::int64_t t) -> double {
    if (t < warmup) return static_cast<double>(t + 1) / static_cast<double>(warmup + 1);
    const double s = static_cast<double>(t - warmup) / static_cast<double>(steps - warmup);
    switch (schedule.kind) {
      case ScheduleKind::constant:
        return 1;
      case ScheduleKind::step: {
        const auto passed =
            std::upper_bound(milestones.begin(), milestones.end(), t) - milestones.begin();
        return std::pow(schedule.factor, static_cast<double>(passed));
      }
      case ScheduleKind::cosine:
        return cosine_between(1, 0, s);
      case ScheduleKind::triangle:
        return triangle(s, schedule.peak);
      case ScheduleKind::one_cycle:
        return one_cycle(t, steps, schedule.peak);
    }
    MODELDIFF_CHECK(false, fmt::format("schedule {}", static_cast<int>(schedule.kind)));
    return 0;
  };
  std::vector<double> rates(static_cast<std::size_t>(steps));
  for (std::int64_t t = 0; t < steps; ++t) rates[static_cast<std::size_t>(t)] = lr * share_at(t);
  return rates;
}

}  // namespace modeldiff
