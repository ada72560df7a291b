#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// The order in which rows are cut into a training and a test part.
enum class RowOrder { stream, numpy, file };
template <>
struct Choices<RowOrder> {
  static constexpr std::pair<RowOrder, const char*> names[] = {
      {RowOrder::stream, "stream"}, {RowOrder::numpy, "numpy"}, {RowOrder::file, "file"}};
};

struct RowSplit {
  std::vector<std::int64_t> train, test;
};

/// The first `train` rows of the order, and the rest.
/// @param rows >= train >= 0
RowSplit split_rows(std::int64_t rows, std::int64_t train, RowOrder order, std::uint64_t seed);

/// numpy.random.RandomState(seed).permutation(n): the splits of published code start with it. seed
/// < 2^32
std::vector<std::int64_t> numpy_permutation(std::int64_t n, std::uint32_t seed);

}  // namespace modeldiff
