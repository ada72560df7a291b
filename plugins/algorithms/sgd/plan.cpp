#include "plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "modeldiff/core/random.h"

namespace modeldiff {
namespace {

std::int64_t batches_of(const SgdParams& params, std::int64_t examples) {
  if (examples == 0) throw ConfigError("", "a run without training examples");
  if (!params.drop_last) return (examples + params.batch - 1) / params.batch;
  if (examples < params.batch) {
    throw ConfigError(
        "batch", fmt::format("is {}, and with drop_last nothing is left of {} training examples",
                             params.batch, examples));
  }
  return examples / params.batch;
}

}  // namespace

std::int64_t steps_of(const SgdParams& params, std::int64_t examples) {
  return params.steps ? *params.steps : *params.epochs * batches_of(params, examples);
}

Plan::Plan(const SgdParams& params, std::vector<std::int64_t> rows, std::uint64_t seed,
           std::int64_t keep)
    : rows_(std::move(rows)),
      seed_(seed),
      batch_(params.batch),
      steps_per_epoch_(batches_of(params, examples())),
      rates_(learning_rates(params.schedule, params.lr, steps_of(params, examples()))) {
  if (keep > steps()) {
    throw ConfigError(
        params.steps ? "steps" : "epochs",
        fmt::format("make {} steps, and {} checkpoints are asked for", steps(), keep));
  }
  for (std::int64_t i = 1; i <= keep; ++i) checkpoint_steps_.push_back(i * steps() / keep);
}

double Plan::rate_sum(std::size_t checkpoint) const {
  const std::int64_t begin = checkpoint == 0 ? 0 : checkpoint_steps_[checkpoint - 1];
  return std::accumulate(rates_.begin() + begin, rates_.begin() + checkpoint_steps_[checkpoint],
                         0.0);
}

std::vector<std::int64_t> Plan::order(std::int64_t epoch) const {
  std::vector<std::int64_t> order =
      RandomStream(seed_, "order", static_cast<std::uint64_t>(epoch)).permutation(examples());
  for (std::int64_t& at : order) at = rows_[static_cast<std::size_t>(at)];
  return order;
}

std::int64_t Plan::batch_size(std::int64_t step) const {
  return std::min(batch_, examples() - batch_begin(step));
}

std::vector<double> Plan::epoch_means(const std::vector<double>& losses) const {
  std::vector<double> means;
  double sum = 0, count = 0;
  for (std::int64_t s = 0; s < steps(); ++s) {
    const auto size = static_cast<double>(batch_size(s));
    sum += losses[static_cast<std::size_t>(s)] * size;
    count += size;
    if ((s + 1) % steps_per_epoch_ == 0 || s + 1 == steps()) {
      means.push_back(sum / count);
      sum = count = 0;
    }
  }
  return means;
}

}  // namespace modeldiff
