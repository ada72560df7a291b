#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "modeldiff/core/error.h"
#include "modeldiff/core/json.h"
#include "modeldiff/core/value.h"

/// Diagnostics for people and for programs.
namespace modeldiff {

struct RenderStyle {
  bool colour = false;
  /// The text of a line, without its end; nullopt when it cannot be had. Default: reads the file.
  std::function<std::optional<std::string>(const std::string& file, std::int64_t line)> source_line;
};

/// file:line:column: error: message, the line with a caret below the column, and in the end how
/// many there were: "2 errors; nothing was run". Each line ends in a newline. Without a place, the
/// key path is put before a message that does not name the key.
std::string render_diagnostics(const std::vector<Diagnostic>& diagnostics,
                               const RenderStyle& style = {});

/// [{file, line, column, path, message}]; file, line and column are null where they are not known.
Json diagnostics_to_json(const std::vector<Diagnostic>& diagnostics);

/// Leaves out what was said of the same place before, as of a value that several maps inherit.
std::vector<Diagnostic> without_repeats(std::vector<Diagnostic> diagnostics);

/// The diagnostics of an error that names key paths alone, as a plugin's, with the places of those
/// paths in the file. The path is put before a message that does not name the key.
std::vector<Diagnostic> with_locations(std::vector<Diagnostic> diagnostics, const Value& root);

}  // namespace modeldiff
