#pragma once

#include <string>

#include "modeldiff/core/schema.h"
#include "modeldiff/core/value.h"

/// The words of checks: what was expected, what was found, what may have been meant.
namespace modeldiff {

/// "an integer", "one of constant, triangle".
std::string expected_phrase(const FieldInfo& field);

/// "the string 'ten'", on one line and not too long.
std::string found_phrase(const Value& value);

/// "; leave out the quotes", for a value of the wrong type; empty where nothing suggests itself.
std::string mending_advice(const Value& value, const FieldInfo& field);

/// "must be at least 1, got 0"; empty for a number in range.
std::string range_error(const Value& number, const FieldInfo& field);

/// "must have 2 items, got 3"; empty for a count in range.
/// @param items in the singular
std::string count_error(std::size_t count, const FieldInfo& field, const std::string& items);

}  // namespace modeldiff
