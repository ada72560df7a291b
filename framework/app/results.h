#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "modeldiff/core/json.h"
#include "store/store.h"

/// What the command line names: folders of results, artifacts by the start of their keys.
namespace modeldiff {

/// Whether the path is a result.json or a folder that holds one.
bool is_result(const std::filesystem::path& path);
/// The result.json itself.
std::filesystem::path result_file(const std::filesystem::path& path);
/// @throws DataError when it is no result of modeldiff
Json read_result(const std::filesystem::path& path);

/// Whether a text may be a key or the start of one: at least 4 lower-case hexadecimal digits.
bool is_key_start(const std::string& text);
/// The one artifact whose key begins so.
/// @throws DataError when there is none, and one that lists them when there are several
Artifact find_artifact(const Store& store, const std::string& start);

/// The label that an artifact was given when it was made; "" when it has none.
std::string label_of(const Artifact& artifact);

/// Key -> names of the experiments whose last plan holds it.
std::map<std::string, std::string> experiments_by_key(const Store& store);

}  // namespace modeldiff
