#pragma once

#include <cstdint>
#include <vector>

#include "modeldiff/data_change.h"
#include "modeldiff/descent.h"

namespace modeldiff::sisa {

/// All that fixes the training of an ensemble, but the data.
struct ShardPlan {
  /// Rows of the training set, whether trained on or not.
  std::int64_t examples = 0;
  /// Those that are trained on, ascending.
  std::vector<std::int32_t> rows;
  std::uint64_t seed = 0;
  std::int64_t shards = 1, slices = 1;
  /// Each time that a slice has joined: passes over the rows so far, or else steps.
  std::int64_t epochs = 0, steps = 0;
  /// Rows of a step; 0: all so far.
  std::int64_t batch = 0;
  double rate = 0;
  double weight_decay = 0;
  Precision precision = Precision::float32;
};

/// Who is in which shard and slice. A row's place depends on the seed and the size of the training
/// set alone, not on who else is trained on, so that a deletion moves nobody; shards and slices are
/// of equal size before it, but for one row.
class Shards {
 public:
  /// @throws ConfigError when there are fewer rows than slices
  explicit Shards(ShardPlan plan);

  const ShardPlan& plan() const { return plan_; }
  std::int64_t shard_of(std::int32_t row) const { return place(row) / plan_.slices; }
  std::int64_t slice_of(std::int32_t row) const { return place(row) % plan_.slices; }
  /// The descent of a shard after `slice` has joined: on the rows of its slices 0..slice, with
  /// batches of its own. Without rows it has no step.
  DescentPlan descent(std::int64_t shard, std::int64_t slice) const;
  /// [shards] 1 for those that have rows, else 0.
  std::vector<float> votes() const;
  /// [shards] the first slice that a change hits, `slices` when none.
  std::vector<std::int64_t> first_hit(const DataChange& change) const;
  /// Gradients of rows that are computed when each shard is trained from slice first[shard] on.
  double gradients(const std::vector<std::int64_t>& first) const;

 private:
  std::int64_t place(std::int32_t row) const { return places_[static_cast<std::size_t>(row)]; }

  ShardPlan plan_;
  std::vector<std::int64_t> places_;  // by row: shard * slices + slice
};

}  // namespace modeldiff::sisa
