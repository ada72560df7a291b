#include "common/row_split.h"

#include <bit>
#include <numeric>
#include <random>

#include "modeldiff/core/random.h"

namespace modeldiff {

std::vector<std::int64_t> numpy_permutation(std::int64_t n, std::uint32_t seed) {
  std::mt19937 generator(
      seed);  // the standard fixes its output, and RandomState seeds it the same way
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (std::uint64_t last = order.size() - 1; n > 1 && last > 0; --last) {
    // Draws within the next power of two until one fits.
    const std::uint64_t mask = std::bit_ceil(last + 1) - 1;
    std::uint64_t draw = 0;
    do {
      draw = generator() & mask;
    } while (draw > last);
    std::swap(order[last], order[draw]);
  }
  return order;
}

RowSplit split_rows(std::int64_t rows, std::int64_t train, RowOrder order, std::uint64_t seed) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(rows));
  if (order == RowOrder::numpy) {
    all = numpy_permutation(rows, static_cast<std::uint32_t>(seed));
  } else if (order == RowOrder::stream) {
    all = RandomStream(seed, "row_split").permutation(rows);
  } else {
    std::iota(all.begin(), all.end(), 0);
  }
  return {{all.begin(), all.begin() + train}, {all.begin() + train, all.end()}};
}

}  // namespace modeldiff
