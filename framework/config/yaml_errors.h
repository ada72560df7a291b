#pragma once

#include <yaml-cpp/exceptions.h>

#include "config/text_places.h"
#include "modeldiff/core/error.h"

/// What yaml-cpp's parser complains of, in words that say what to mend.
namespace modeldiff {

/// A list or map of the file while it is read.
struct OpenCollection {
  SourceLocation where;
  bool is_map;
  bool in_brackets;
  /// Of the last key, or of the list or map itself.
  SourceLocation last_key;
};

SourceLocation place_of(const YAML::Mark& mark, TextPlaces& places);

/// @param innermost the list or map that has not ended when the parser stops
Diagnostic syntax_error(const YAML::Exception& error, TextPlaces& places,
                        const OpenCollection& innermost);

}  // namespace modeldiff
