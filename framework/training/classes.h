#pragma once

#include <cstdint>
#include <string>

#include "modeldiff/core/json.h"
#include "modeldiff/dataset.h"

/// Classes by name and by number.
namespace modeldiff {

/// @param value the name or the number of a class, as an experiment file has it at `path`
/// @throws ConfigError at `path`: the data have no classes, or not this one, with the nearest name
std::int64_t class_index(const DataFacts& facts, const Json& value, const std::string& path);

/// The number where the classes have no names.
std::string class_name(const DataFacts& facts, std::int64_t label);

}  // namespace modeldiff
