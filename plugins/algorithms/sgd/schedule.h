#pragma once

#include <cstdint>
#include <vector>

#include "sgd_params.h"

namespace modeldiff {

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
std::vector<double> learning_rates(const ScheduleParams& schedule, double lr, std::int64_t steps);

}  // namespace modeldiff
