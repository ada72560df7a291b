#pragma once

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "modeldiff/proposer.h"

/// The ends of a direction: the training examples with its largest and its least weights.
namespace modeldiff {

/// The strongest first, at most as many as there are. @return [count] int64, training rows
inline at::Tensor examples_at_end(const Direction& direction, bool positive, std::int64_t count) {
  return std::get<1>(
      direction.examples.topk(std::min(count, direction.examples.size(0)), 0, positive));
}

/// For labels.
inline std::string name_of_end(const Direction& direction, bool positive) {
  return fmt::format("direction {} of {}, {} end", direction.rank + 1, direction.of,
                     positive ? "positive" : "negative");
}

}  // namespace modeldiff
