#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "modeldiff/core/value.h"

/// Where something stands in an experiment file: "algorithms.A.lr", "attributors[1].segments".
namespace modeldiff {

/// The parts of a path, list indices as digits. "attributors[1].segments" and
/// "attributors.1.segments" are the same path. @return nullopt when a part is empty, a bracket is
/// not closed or holds no index
std::optional<std::vector<std::string>> split_key_path(std::string_view path);

std::string join_key(const std::string& path, std::string_view key);
std::string join_index(const std::string& path, std::size_t index);

/// @return nullptr where the path leads nowhere
const Value* find_key_path(const Value& root, const std::vector<std::string>& parts);

/// Where to point for an error that names a key path, "algorithms.A.nesterov": the value, if it is
/// a scalar of the file; else the longest part of the path that is there, at its key; else the file
/// as a whole.
SourceLocation locate_key_path(const Value& root, std::string_view path);

}  // namespace modeldiff
