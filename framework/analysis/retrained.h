#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

#include "modeldiff/evaluation.h"

/// What evaluations tell of retrained and rapidly retrained models.
namespace modeldiff {

/// {estimate, lower, upper, least, most, n}: the mean with its t interval, which one value has not
/// (null). What is not finite becomes null. @param values at least one
Json summary_of(std::span<const double> values, double confidence);

/// Accuracy; of a regression the root mean squared error, in the targets' unit.
/// @param outputs [n, outputs] @param targets as Examples hold them
double test_score(const at::Tensor& outputs, const at::Tensor& targets, Task task);

/// Whether weights have a distance: those of an ensemble of shards are no point beside one model's.
bool same_space(const RunSet& a, const RunSet& b);

/// Where the report puts the median seconds of these parts of the runs (see docs/plugins.md).
Json seconds_of(const RunSet& runs, const std::vector<const char*>& parts);

/// The same for the seconds of an algorithm's runs, and how often faster than the truth it was.
Json times_of(const RunSet& runs, const RunSet& truth);

}  // namespace modeldiff
