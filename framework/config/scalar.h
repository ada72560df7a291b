#pragma once

#include <string>
#include <string_view>

#include "modeldiff/core/value.h"

namespace modeldiff {

/// A plain scalar by the core schema of YAML 1.2.
struct PlainScalar {
  Value value;
  /// What is wrong with it: "the integer 1e99 does not fit 64 bits"; empty when nothing is.
  std::string error;
};

PlainScalar resolve_plain_scalar(const std::string& text, const SourceLocation& where);

/// Whether the text would be an integer or a number without its quotes.
bool reads_as_number(std::string_view text);

}  // namespace modeldiff
