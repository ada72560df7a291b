#include "ensemble.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <utility>

#include "modeldiff/core/error.h"
#include "modeldiff/layers.h"

namespace modeldiff::sisa {
namespace {

std::string name_in(std::int64_t shard, const std::string& name) {
  return fmt::format("shard{}.{}", shard, name);
}

}  // namespace

Ensemble::Ensemble(std::shared_ptr<const Model> shard, std::int64_t shards, Task task)
    : shard_(std::move(shard)), shards_(shards), task_(task) {
  MODELDIFF_CHECK(shard_->buffers().count() == 0, "running statistics");
  for (std::int64_t s = 0; s < shards_; ++s) {
    for (const ParameterLayout::Entry& entry : shard_->parameters().entries())
      parameters_.add(name_in(s, entry.name), entry.shape);
  }
  buffers_.add("votes", {shards_});
}

Weights Ensemble::initialise(RandomStream& random) const {
  std::vector<at::Tensor> parameters;
  for (std::int64_t s = 0; s < shards_; ++s)
    parameters.push_back(shard_->initialise(random).parameters);
  return {at::cat(parameters), at::ones({shards_})};
}

at::Tensor Ensemble::forward(const Weights& weights, const at::Tensor& inputs, Pass& pass) const {
  std::vector<at::Tensor> outputs, features;
  for (std::int64_t s = 0; s < shards_; ++s) {
    outputs.push_back(shard_outputs(weights, inputs, pass, s));
    features.push_back(pass.features);
  }
  if (pass.want_features) pass.features = at::cat(features, 1);
  const at::Tensor share = (weights.buffers / weights.buffers.sum()).view({shards_, 1, 1});
  const at::Tensor all = at::stack(outputs);  // [shards, n, outputs]
  if (task_ == Task::regression) return (share * all).sum(0);
  return (all.log_softmax(2) + share.log()).logsumexp(0);
}

/// The part of the pass that one shard's model makes, recorded under the names of the ensemble.
at::Tensor Ensemble::shard_outputs(const Weights& weights, const at::Tensor& inputs, Pass& pass,
                                   std::int64_t shard) const {
  const std::int64_t p = shard_->parameters().count();
  const Weights own{weights.parameters.narrow(0, shard * p, p), {}};
  LayerTape tape;
  std::vector<at::Tensor> leaves;
  Pass part;
  part.training = pass.training;
  part.want_features = pass.want_features;
  if (pass.tape) part.tape = &tape;
  if (pass.leaves) {
    const auto tensors = static_cast<std::ptrdiff_t>(shard_->parameters().entries().size());
    const auto first = pass.leaves->begin() + shard * tensors;
    leaves.assign(first, first + tensors);
    part.leaves = &leaves;
  }
  at::Tensor out = shard_->forward(own, inputs, part);
  for (LayerRecord record : tape.records()) {
    record.name = name_in(shard, record.name);
    pass.tape->record(std::move(record));
  }
  pass.features = part.features;
  return out;
}

std::vector<std::string> Ensemble::head() const {
  std::vector<std::string> out;
  for (std::int64_t s = 0; s < shards_; ++s) {
    for (const std::string& name : shard_->head()) out.push_back(name_in(s, name));
  }
  return out;
}

double Ensemble::forward_flops() const {
  return static_cast<double>(shards_) * shard_->forward_flops();
}

}  // namespace modeldiff::sisa
