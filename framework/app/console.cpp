#include "app/console.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>

namespace modeldiff {

Console::Console(ColourChoice colour, bool quiet, int) : quiet_(quiet) {
  const char* terminal = std::getenv("TERM");
  live_ = ::isatty(STDERR_FILENO) && !(terminal && std::string_view(terminal) == "dumb");
  const char* no_colour = std::getenv("NO_COLOR");
  colour_ = colour == ColourChoice::always ||
            (colour == ColourChoice::automatic && live_ && !(no_colour && *no_colour));
}

void Console::result(std::string_view line) const {
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
}

void Console::note(std::string_view line) const {
  if (!quiet_) error(fmt::format("{}\n", line));
}

void Console::error(std::string_view text) const {
  std::fwrite(text.data(), 1, text.size(), stderr);
}

std::string Console::styled(std::string_view text, std::string_view code) const {
  return colour_ ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

std::string bytes_text(double bytes) {
  constexpr const char* kUnits[] = {"B", "KB", "MB", "GB", "TB"};
  int unit = 0;
  while (bytes >= 1000 && unit < 4) {
    bytes /= 1000;
    ++unit;
  }
  return unit == 0 || bytes >= 100 ? fmt::format("{:.0f} {}", bytes, kUnits[unit])
                                   : fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

std::string duration_text(double seconds) {
  const auto total = static_cast<long>(std::lround(std::max(0.0, seconds)));
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  if (total < 60) return fmt::format("{} s", total);
  if (total < 3600) return fmt::format("{} min {} s", total / 60, total % 60);
  return fmt::format("{} h {} min", total / 3600, total % 3600 / 60);
}

}  // namespace modeldiff
