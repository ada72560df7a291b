#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "modeldiff/evaluation.h"

/// Training runs that were made without some rows: what data values, the jackknife and conformal
/// prediction are computed from.
namespace modeldiff {

/// The runs of an algorithm that a parameter names.
/// @param key of the parameter, for the error
/// @throws ConfigError when there are fewer than `count`
const RunSet& runs_of(const EvaluationRequest& request, const Reference& algorithm,
                      const std::string& key, std::int64_t count);

/// The rows of the training set that each of the first `count` runs was made without, [k] int64
/// each: its tensor `change.removed`.
/// @throws ConfigError at `key` when a run left out nothing, or two runs the same row
std::vector<at::Tensor> left_out_rows(const RunSet& runs, std::int64_t count,
                                      const std::string& key);

/// @throws ConfigError at `key` when a run of one left out other rows than that run of the other
void require_same_rows(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b,
                       const std::string& key);

/// Calls `visit` with weights and outputs [n, outputs] float32 of runs 0..count - 1, in that order,
/// several models at a time so that the inputs are made ready once for all of them.
void for_each_model(
    const RunSet& runs, std::int64_t count, const at::Tensor& inputs, Progress& progress,
    const std::function<void(std::int64_t run, const Weights&, const at::Tensor&)>& visit);

/// Loss of each row: cross-entropy in nats; in a regression half the squared error, summed over the
/// outputs. @param outputs [n, outputs] @param targets as Examples hold them @return [n] float64
at::Tensor row_losses(const at::Tensor& outputs, const at::Tensor& targets, Task task);

}  // namespace modeldiff
