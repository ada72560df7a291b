#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "config/expect.h"
#include "modeldiff/core/json.h"
#include "planning/plan.h"
#include "store/store.h"

namespace modeldiff {

/// A cell that could not be made, or could not because of another.
struct MissingCell {
  std::size_t cell = 0;
  /// "data", "crash", ...; "blocked" when a cell before it is missing.
  std::string kind;
  std::string message;
};

/// Whether a result holds something of every cell of this kind, rather than only what others made
/// of it.
bool stands_in_result(const std::string& kind);

/// Everything that an experiment found, from the artifacts there are. Each part names the artifact
/// it comes from under `artifact`; parts of missing artifacts are absent.
///   experiment, question, variant, description, dataset, split, algorithms, attribute, compare,
///   screen, verify, evaluate, missing, expect, provenance
Json collect_result(const Plan& plan, const Store& store, const std::vector<MissingCell>& missing,
                    const std::vector<Expectation>& expectations);

/// What the data set of a result calls a class ("class_names") or a group ("groups"); its number where
/// it has no names.
std::string name_in_dataset(const Json& result, const char* list, std::int64_t index);

/// "A relies, B does not" for the "first relies, second does not" of a claim.
std::string claim_in_words(std::string claim, const std::vector<std::string>& between);

/// The first lines a person reads: what was found, in words with its numbers.
std::vector<std::string> verdict(const Json& result);

}  // namespace modeldiff
