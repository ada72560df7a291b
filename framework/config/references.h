#pragma once

#include <string>
#include <vector>

#include "modeldiff/core/value.h"

namespace modeldiff {

/// A value of the file that names an entry of one of its sections.
struct ReferenceUse {
  std::string section;
  std::string name;
  /// Of the value itself, "algorithms.B.init.from".
  std::string path;
  SourceLocation where;
};

/// Names that are no entry of their section, and entries that refer to themselves through others,
/// each cycle once.
std::vector<Diagnostic> check_references(const std::vector<ReferenceUse>& uses, const Value& root);

}  // namespace modeldiff
