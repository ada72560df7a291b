#pragma once

#include <string>
#include <utility>
#include <vector>

#include "modeldiff/core/json.h"

namespace modeldiff {

/// The leaves of a JSON value with their key paths, "algorithms.A.lr", "propose[1].plugin". Items
/// of a list that are told apart by `label`, `name` or `plugin` stand under it,
/// "claims[corners].p_value". Empty maps and lists are leaves.
std::vector<std::pair<std::string, Json>> flat_values(const Json& value);

/// A leaf that two values do not share.
struct Difference {
  std::string path;
  Json a, b;  // discarded: there is none
};

/// In the order of the paths.
std::vector<Difference> differences(const Json& a, const Json& b);

}  // namespace modeldiff
