#include "modeldiff/core/json.h"

#include <cmath>

#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

void require_finite(const Json& value) {
  if (value.is_number_float())
    MODELDIFF_CHECK(std::isfinite(value.get<double>()), "a number in an identity");
  if (value.is_structured()) {
    for (const Json& item : value) require_finite(item);
  }
}

}  // namespace

std::string canonical_text(const Json& value) {
  require_finite(value);
  return value.dump();
}

const Json* find_path(const Json& value, const std::string& path) {
  const Json* at = &value;
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t dot = std::min(path.find('.', start), path.size());
    const std::string key = path.substr(start, dot - start);
    if (at->is_object()) {
      const auto found = at->find(key);
      if (found == at->end()) return nullptr;
      at = &*found;
    } else if (at->is_array() && !key.empty() &&
               key.find_first_not_of("0123456789") == std::string::npos) {
      const std::size_t index = std::stoul(key);
      if (index >= at->size()) return nullptr;
      at = &(*at)[index];
    } else {
      return nullptr;
    }
    start = dot + 1;
  }
  return at;
}

}  // namespace modeldiff
