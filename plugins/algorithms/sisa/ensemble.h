#pragma once

#include <memory>
#include <string>
#include <vector>

#include "modeldiff/dataset.h"
#include "modeldiff/model.h"

namespace modeldiff::sisa {

/// One model for each shard. Classification: the logarithm of the mean of the predicted
/// probabilities; regression: the mean of the predictions.
/// Parameters: those of the shards one after the other, as "shard0.NAME", [shards * p]. Buffers:
/// `votes` [shards], 1 for a shard that has rows and 0 for one that has lost all.
class Ensemble final : public Model {
 public:
  Ensemble(std::shared_ptr<const Model> shard, std::int64_t shards, Task task);

  const std::shared_ptr<const Model>& shard() const { return shard_; }
  std::int64_t shards() const { return shards_; }

  Weights initialise(RandomStream& random) const override;
  at::Tensor forward(const Weights& weights, const at::Tensor& inputs, Pass& pass) const override;
  std::vector<std::string> head() const override;
  double forward_flops() const override;

 private:
  at::Tensor shard_outputs(const Weights& weights, const at::Tensor& inputs, Pass& pass,
                           std::int64_t shard) const;

  std::shared_ptr<const Model> shard_;
  std::int64_t shards_;
  Task task_;
};

}  // namespace modeldiff::sisa
