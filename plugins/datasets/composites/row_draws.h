#pragma once

#include <cstdint>
#include <string>
#include <vector>

/// What each row of a part is made of, as far as rows depend on each other. Free of torch.
namespace modeldiff {

struct DrawnRow {
  std::int64_t label = 0;
  std::int64_t foreground = 0;   // index into the label's objects; no two rows have the same
  std::int64_t confounder = -1;  // index into the confounders; -1: none
};

/// Some rows of one label.
struct ConfounderShare {
  std::int64_t label = 0;
  double share = 0;
};

/// The share as a number of rows, rounded to the nearest.
std::int64_t rows_of_share(double share, std::int64_t rows);

/// How many of n rows each label has: in proportion to the shares, rounded down, and what is left
/// goes to the largest remainders, of equal ones to the first.
std::vector<std::int64_t> rows_of_labels(std::int64_t n, const std::vector<double>& shares);

/// @param counts      rows of each label
/// @param objects     objects of each label; at least counts
/// @param confounders rows_of_share() of those of a label must not exceed its rows
/// @param role        names the random streams, "composites.train"
/// @return            a random order of the labels; objects and confounders drawn without
///                    replacement within the label
std::vector<DrawnRow> draw_rows(const std::vector<std::int64_t>& counts,
                                const std::vector<std::int64_t>& objects,
                                const std::vector<ConfounderShare>& confounders, std::uint64_t seed,
                                const std::string& role);

}  // namespace modeldiff
