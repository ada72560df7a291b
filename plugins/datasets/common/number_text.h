#pragma once

#include <optional>
#include <string_view>

namespace modeldiff {

std::string_view trimmed(std::string_view text);

/// The finite number that the whole text stands for, in the "C" notation; a '+' in front and blanks
/// around are fine.
std::optional<double> parse_number(std::string_view text);

}  // namespace modeldiff
