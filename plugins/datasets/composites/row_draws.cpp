#include "row_draws.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "modeldiff/core/random.h"

namespace modeldiff {

std::vector<std::int64_t> rows_of_labels(std::int64_t n, const std::vector<double>& shares) {
  const double total = std::accumulate(shares.begin(), shares.end(), 0.0);
  std::vector<std::int64_t> counts;
  std::vector<double> remainders;
  for (const double share : shares) {
    const double exact = static_cast<double>(n) * share / total;
    counts.push_back(static_cast<std::int64_t>(exact));
    remainders.push_back(exact - std::floor(exact));
  }
  std::vector<std::size_t> order(shares.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return remainders[a] > remainders[b]; });
  const std::int64_t left = n - std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  for (std::int64_t i = 0; i < left; ++i) ++counts[order[static_cast<std::size_t>(i)]];
  return counts;
}

std::int64_t rows_of_share(double share, std::int64_t rows) {
  return std::lround(share * static_cast<double>(rows));
}

std::vector<DrawnRow> draw_rows(const std::vector<std::int64_t>& counts,
                                const std::vector<std::int64_t>& objects,
                                const std::vector<ConfounderShare>& confounders, std::uint64_t seed,
                                const std::string& role) {
  std::vector<DrawnRow> rows;
  for (std::size_t label = 0; label < counts.size(); ++label) {
    const std::int64_t n = counts[label];
    const std::vector<std::int64_t> drawn =
        RandomStream(seed, role + ".objects", label).permutation(objects[label]);
    std::vector<DrawnRow> of_label;
    for (std::int64_t k = 0; k < n; ++k)
      of_label.push_back({static_cast<std::int64_t>(label), drawn[static_cast<std::size_t>(k)]});
    const std::vector<std::int64_t> order =
        RandomStream(seed, role + ".confounders", label).permutation(n);
    auto next = order.begin();
    for (std::size_t c = 0; c < confounders.size(); ++c) {
      if (confounders[c].label != static_cast<std::int64_t>(label)) continue;
      for (std::int64_t k = rows_of_share(confounders[c].share, n); k > 0; --k)
        of_label[static_cast<std::size_t>(*next++)].confounder = static_cast<std::int64_t>(c);
    }
    rows.insert(rows.end(), of_label.begin(), of_label.end());
  }
  std::vector<DrawnRow> shuffled;
  for (const std::int64_t i :
       RandomStream(seed, role + ".order").permutation(static_cast<std::int64_t>(rows.size())))
    shuffled.push_back(rows[static_cast<std::size_t>(i)]);
  return shuffled;
}

}  // namespace modeldiff
