#pragma once

#include <cstdint>
#include <vector>

#include "modeldiff/algorithm.h"
#include "sgd_params.h"

namespace modeldiff {

/// The steps of one training run, before anything is computed: which rows, how large a step, where
/// weights are kept. A pure function of the parameters, the kept rows and the seed.
class Plan {
 public:
  /// @param rows    rows of the training set that are kept, ascending
  /// @param seed    of the run
  /// @param keep    how many checkpoints
  /// @throws ConfigError when there is nothing to do, or fewer steps than checkpoints
  Plan(const SgdParams& params, std::vector<std::int64_t> rows, std::uint64_t seed,
       std::int64_t keep);

  std::int64_t steps() const { return static_cast<std::int64_t>(rates_.size()); }
  std::int64_t steps_per_epoch() const { return steps_per_epoch_; }
  /// Epochs that are begun.
  std::int64_t epochs() const { return (steps() + steps_per_epoch_ - 1) / steps_per_epoch_; }
  std::int64_t examples() const { return static_cast<std::int64_t>(rows_.size()); }
  std::uint64_t seed() const { return seed_; }

  const std::vector<double>& rates() const { return rates_; }
  /// Steps done at checkpoint i of C: floor(i T / C), i = 1..C.
  const std::vector<std::int64_t>& checkpoint_steps() const { return checkpoint_steps_; }
  /// Sum of the rates of the steps that end at a checkpoint and began at the one before.
  double rate_sum(std::size_t checkpoint) const;

  /// The kept rows in the order of epoch e: a permutation drawn from (seed, "order", e) alone.
  std::vector<std::int64_t> order(std::int64_t epoch) const;
  /// The batch of a step is batch_size() rows of its epoch's order from batch_begin() on.
  std::int64_t batch_begin(std::int64_t step) const { return step % steps_per_epoch_ * batch_; }
  std::int64_t batch_size(std::int64_t step) const;

  /// Mean over the examples of each epoch. @param losses [steps], mean over each batch
  std::vector<double> epoch_means(const std::vector<double>& losses) const;

 private:
  std::vector<std::int64_t> rows_;
  std::uint64_t seed_;
  std::int64_t batch_;
  std::int64_t steps_per_epoch_;
  std::vector<double> rates_;
  std::vector<std::int64_t> checkpoint_steps_;
};

/// Steps of a run on `examples` rows.
std::int64_t steps_of(const SgdParams& params, std::int64_t examples);

}  // namespace modeldiff
