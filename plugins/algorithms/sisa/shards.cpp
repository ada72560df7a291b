#include "shards.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"

namespace modeldiff::sisa {

Shards::Shards(ShardPlan plan) : plan_(std::move(plan)) {
  const std::int64_t n = plan_.examples, parts = plan_.shards * plan_.slices;
  if (n < parts) {
    throw ConfigError("shards",
                      fmt::format("and `slices` make {} parts of a training set of {} rows; make "
                                  "fewer, so that each has a row",
                                  parts, n));
  }
  places_.resize(static_cast<std::size_t>(n));
  const std::vector<std::int64_t> order = RandomStream(plan_.seed, "shards").permutation(n);
  for (std::int64_t i = 0; i < n; ++i)
    places_[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])] = i * parts / n;
}

DescentPlan Shards::descent(std::int64_t shard, std::int64_t slice) const {
  DescentPlan out;
  for (const std::int32_t row : plan_.rows) {
    if (shard_of(row) == shard && slice_of(row) <= slice) out.rows.push_back(row);
  }
  out.seed =
      derive_seed(plan_.seed, "slice", static_cast<std::uint64_t>(shard * plan_.slices + slice));
  out.batch = plan_.batch;
  const std::int64_t steps = plan_.steps > 0 ? plan_.steps : plan_.epochs * out.steps_per_epoch();
  if (!out.rows.empty()) out.rates.assign(static_cast<std::size_t>(steps), plan_.rate);
  out.weight_decay = plan_.weight_decay;
  out.precision = plan_.precision;
  return out;
}

std::vector<float> Shards::votes() const {
  std::vector<float> out(static_cast<std::size_t>(plan_.shards), 0.f);
  for (const std::int32_t row : plan_.rows) out[static_cast<std::size_t>(shard_of(row))] = 1;
  return out;
}

std::vector<std::int64_t> Shards::first_hit(const DataChange& change) const {
  std::vector<std::int64_t> out(static_cast<std::size_t>(plan_.shards), plan_.slices);
  for (const auto* rows : {&change.removed, &change.added}) {
    for (const std::int32_t row : *rows) {
      std::int64_t& first = out[static_cast<std::size_t>(shard_of(row))];
      first = std::min(first, slice_of(row));
    }
  }
  return out;
}

double Shards::gradients(const std::vector<std::int64_t>& first) const {
  double out = 0;
  for (std::int64_t shard = 0; shard < plan_.shards; ++shard) {
    for (std::int64_t slice = first[static_cast<std::size_t>(shard)]; slice < plan_.slices; ++slice)
      out += descent(shard, slice).gradients();
  }
  return out;
}

}  // namespace modeldiff::sisa
