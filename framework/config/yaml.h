#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "modeldiff/core/value.h"

/// YAML text -> Value, every node with its line and column.
///
/// Scalars follow the core schema of YAML 1.2: `010` and `+10` are ten, `0x1f` and `0o17` are
/// integers, `1e3` and `.5` are numbers, `yes` and `1_000` are strings, and what stands in quotes
/// is a string. Anchors and aliases are expanded. Refused, each with its place: a key twice, `<<`,
/// tags, keys that are not scalars, numbers that are not finite or do not fit 64 bits, tabs in the
/// indentation, a second document, control characters, bytes that are not UTF-8.
namespace modeldiff {

inline constexpr std::size_t kYamlMaxBytes = 4 << 20;
inline constexpr int kYamlMaxDepth = 64;
inline constexpr std::size_t kYamlMaxKeys = 10'000;  // of one map
/// Of the whole file, with every alias counted as often as it is used.
inline constexpr std::int64_t kYamlMaxValues = 100'000;

/// @param name stands as the file in locations
/// @throws ConfigError naming the place; nothing else, whatever the text
Value parse_yaml(std::string_view text, const std::string& name);

/// @throws ConfigError as parse_yaml, and when the file cannot be read
Value read_yaml(const std::filesystem::path& file);

/// A value that stands on the command line: the same grammar, and all of it located at `origin`.
/// @throws ConfigError whose locations are `origin`
Value parse_yaml_argument(std::string_view text, const SourceLocation& origin);

}  // namespace modeldiff
