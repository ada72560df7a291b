#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "modeldiff/objective.h"
#include "shards.h"

namespace modeldiff::sisa {

struct ShardRequest {
  const Objective& objective;
  const Shards& shards;
  at::Tensor initial;  // [shards, p] float64
  /// [shards, slices, p] float64, weights after each slice of the run before; those before `first`
  /// are read. Undefined where `first` is 0 throughout.
  at::Tensor kept = {};
  /// [shards] the slice from which each is trained; `slices`: it is left as it was.
  std::vector<std::int64_t> first;
  /// For messages.
  std::string label = {};
  /// Called after each step with the weights of the shard, [p] float64.
  std::function<void(std::int64_t shard, const at::Tensor& w)> after = {};
};

struct TrainedShards {
  at::Tensor checkpoints;  // [shards, slices, p] float64
  /// Mean training loss of the steps after each slice that was trained, all shards together.
  std::vector<double> losses;
};

/// Trains shards slice by slice, each from the weights that the slice before left (Bourtoule et al.
/// 2021, arXiv:1912.03817, Sec. IV). The weights after a slice are a function of the rows in it and
/// before it in its shard alone.
TrainedShards train_shards(const ShardRequest& request);

}  // namespace modeldiff::sisa
