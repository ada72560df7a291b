#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "modeldiff/dataset.h"
#include "modeldiff/dataset_params.h"

/// What an experiment does to a data set after its plugin has loaded it. Class names, groups and
/// marks travel with the examples.
namespace modeldiff {

/// Does what `params` ask for, in the order split, subset, relabel, plant: a mark is put on clean
/// examples of the part that is trained on. Tensors of `data` are not written to.
/// @param seed of the experiment; each wrapper draws from (seed, its role, its own seed)
/// @throws ConfigError with a path relative to the data set, such as "plant.class", for an unknown
/// class, a class with
///         too few examples, a draw that leaves or marks nothing, or a mark outside of the image
Dataset apply_wrappers(Dataset data, const DatasetParams& params, std::uint64_t seed);

/// Names of the groups that `relabel` makes, alone or after "GROUP, " of a data set that has groups
/// already.
inline constexpr const char* kKeptLabel = "kept";
inline constexpr const char* kRelabelledFrom = "relabelled from ";

/// [n] bool, the examples whose label `relabel` made wrong; undefined where it did not touch the
/// data.
inline at::Tensor relabelled_rows(const DataFacts& facts, const Examples& examples) {
  std::vector<std::int64_t> groups;
  for (std::size_t g = 0; g < facts.groups.size(); ++g) {
    if (facts.groups[g].find(kRelabelledFrom) != std::string::npos)
      groups.push_back(static_cast<std::int64_t>(g));
  }
  return groups.empty() ? at::Tensor() : at::isin(examples.groups, at::tensor(groups, at::kLong));
}

}  // namespace modeldiff
