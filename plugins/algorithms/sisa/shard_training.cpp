#include "shard_training.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <numeric>

namespace modeldiff::sisa {
namespace {

Descent train_slice(const ShardRequest& request, std::int64_t shard, std::int64_t slice,
                    const at::Tensor& initial) {
  const DescentPlan plan = request.shards.descent(shard, slice);
  return descend({.objective = request.objective,
                  .plan = plan,
                  .change = {},
                  .initial = initial,
                  .label = fmt::format("{}, shard {}, slice {}", request.label, shard, slice),
                  .after = [&](std::int64_t, const at::Tensor& w) {
                    if (request.after) request.after(shard, w);
                  }});
}

std::vector<double> means(const std::vector<std::vector<double>>& values) {
  std::vector<double> out;
  for (const std::vector<double>& some : values) {
    if (!some.empty())
      out.push_back(std::accumulate(some.begin(), some.end(), 0.0) /
                    static_cast<double>(some.size()));
  }
  return out;
}

}  // namespace

TrainedShards train_shards(const ShardRequest& request) {
  const ShardPlan& plan = request.shards.plan();
  const std::int64_t p = request.objective.parameters();
  TrainedShards out;
  out.checkpoints = request.kept.defined() ? request.kept.clone()
                                           : at::empty({plan.shards, plan.slices, p}, at::kDouble);
  std::vector<std::vector<double>> losses(static_cast<std::size_t>(plan.slices));
  for (std::int64_t shard = 0; shard < plan.shards; ++shard) {
    const std::int64_t first = request.first[static_cast<std::size_t>(shard)];
    at::Tensor w = first == 0 ? request.initial[shard] : out.checkpoints[shard][first - 1];
    for (std::int64_t slice = first; slice < plan.slices; ++slice) {
      const Descent trained = train_slice(request, shard, slice, w);
      w = trained.w;
      out.checkpoints[shard][slice].copy_(w);
      auto& of_slice = losses[static_cast<std::size_t>(slice)];
      of_slice.insert(of_slice.end(), trained.losses.begin(), trained.losses.end());
    }
  }
  out.losses = means(losses);
  return out;
}

}  // namespace modeldiff::sisa
