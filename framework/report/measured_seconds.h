#pragma once

#include <map>
#include <optional>
#include <string>

#include "modeldiff/core/json.h"
#include "store/store.h"

namespace modeldiff {

/// Wall-clock seconds of runs, from the log of the store: they are no part of any artifact, so that
/// what an evaluation says has the same bytes wherever it is made. It names the runs instead:
///   {"seconds_of": [artifacts], "parts": ["load", "work"]}
/// becomes the median over the artifacts of the seconds of those parts together, null where none is
/// told; {"ratio": [a, b]} of two such values becomes a / b.
class MeasuredSeconds {
 public:
  explicit MeasuredSeconds(const Store& store) : store_(store) {}
  /// The same JSON with numbers in place of such values.
  Json filled(const Json& content);

 private:
  Json seconds_of(const Json& content);

  const Store& store_;
  /// By artifact, of the attempt that was logged last; read when first asked for.
  std::optional<std::map<std::string, Json>> parts_;
};

}  // namespace modeldiff
