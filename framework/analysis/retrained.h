#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <span>
#include <string>
#include <vector>

#include "modeldiff/evaluation.h"

/// What evaluations tell of retrained and rapidly retrained models.
namespace modeldiff {

/// What is told of an algorithm or a point, one value a run.
using Measures = std::map<std::string, std::vector<double>>;

/// {estimate, lower, upper, least, most, n}: the mean with its t interval, which one value has not
/// (null). What is not finite becomes null. @param values at least one
Json summary_of(std::span<const double> values, double confidence);

/// Accuracy; of a regression the root mean squared error, in the targets' unit.
/// @param outputs [n, outputs] @param targets as Examples hold them
double test_score(const at::Tensor& outputs, const at::Tensor& targets, Task task);

/// Whether weights have a distance: those of an ensemble of shards are no point beside one model's.
bool same_space(const RunSet& a, const RunSet& b);

/// Adds what a rapid retrainer says of its own steps, the numbers of its fact `work`.
void add_work(const Json& facts, Measures& out);

/// Its decimal logarithm; distances below 1e-7 are as good as none on such an axis.
double distance_on_axis(double distance);

/// Where the report puts the median seconds of these parts of the runs (see docs/plugins.md).
Json seconds_of(const RunSet& runs, const std::vector<const char*>& parts);

/// The same for the seconds of an algorithm's runs, and how often faster than the truth it was.
Json times_of(const RunSet& runs, const RunSet& truth);

}  // namespace modeldiff
