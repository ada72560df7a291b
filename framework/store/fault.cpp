#include "store/fault.h"

#include <csignal>
#include <string>
#include <string_view>

namespace modeldiff::fault_detail {

void reach(const char* name) {
  const std::string_view armed_text = std::getenv("MODELDIFF_FAULT");
  const std::size_t colon = armed_text.find(':');
  if (armed_text.substr(0, colon) != name) return;
  static const long fatal_hit =
      colon == std::string_view::npos ? 1 : std::strtol(armed_text.data() + colon + 1, nullptr, 10);
  static long hits = 0;
  if (++hits == fatal_hit) std::raise(SIGKILL);
}

}  // namespace modeldiff::fault_detail
