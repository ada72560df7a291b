#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Help for names that are not known.
namespace modeldiff {

/// Least number of letters put in, left out, replaced, or swapped with their neighbour, that turns
/// `a` into `b`; no letter is edited twice (optimal string alignment). Case counts as half an edit,
/// so the result is in half edits.
int edit_distance_halves(std::string_view a, std::string_view b);

/// The candidate that a typing error explains: the same letters in another case; else at most one
/// edit for each three letters, and at least one. The first of equally near ones. A name of one
/// letter is near to its other case only.
std::optional<std::string> nearest_name(std::string_view name,
                                        const std::vector<std::string>& candidates);

/// "; did you mean 'lr'?", or "; <label>: a, b, c" when nothing is near, or "" without candidates.
/// A long list is cut.
std::string name_advice(std::string_view name, const std::vector<std::string>& candidates,
                        std::string_view label);

}  // namespace modeldiff
