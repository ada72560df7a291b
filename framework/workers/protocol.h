#pragma once

#include <optional>
#include <string>
#include <vector>

#include "modeldiff/core/json.h"

/// What the program and its workers say to each other: JSON objects, one a line, over a pair of
/// pipes.
///   to a worker:   {"do": [cell, ...]}  cells by index into the plan; one answer each, in order
///                  {"stop": true}           finish nothing more: give up the current cell
///   from a worker: {"ready": true}
///                  {"start": cell}
///                  {"progress": share, "cell": cell, "what": text}
///                  {"done": cell, "seconds": s,
///                   "outcome": "published" | "already_there" | "nondeterminism"}
///                  {"failed": cell, "kind": "config" | "data" | "plugin" | ...,
///                   "message": text, "path": key path}
///                  {"stopped": cell}
namespace modeldiff {

/// Splits what arrives in pieces of any size into lines.
class LineBuffer {
 public:
  /// Reads what is there without waiting. @return false once the other side has closed
  bool read_from(int descriptor);
  std::optional<std::string> next();

 private:
  std::string pending_;
};

/// Writes a whole line. @return false when the other side has gone
bool write_line(int descriptor, const Json& message);

}  // namespace modeldiff
