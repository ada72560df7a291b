#pragma once

#include <cstdio>
#include <string>
#include <string_view>

/// The one place that prints: results go to standard output, everything else to standard error.
namespace modeldiff {

enum class ColourChoice { automatic, always, never };

class Console {
 public:
  Console() = default;
  Console(ColourChoice colour, bool quiet, int verbosity);

  bool colour() const { return colour_; }
  /// Whether progress may be drawn over itself.
  bool live() const { return live_; }
  bool quiet() const { return quiet_; }

  /// A line of the result.
  void result(std::string_view line) const;
  /// A line for a person who waits; not with --quiet.
  void note(std::string_view line) const;
  void error(std::string_view text) const;

  std::string bold(std::string_view text) const { return styled(text, "1"); }
  std::string dim(std::string_view text) const { return styled(text, "2"); }
  std::string red(std::string_view text) const { return styled(text, "31"); }
  std::string green(std::string_view text) const { return styled(text, "32"); }

 private:
  std::string styled(std::string_view text, std::string_view code) const;

  bool colour_ = false;
  bool live_ = false;
  bool quiet_ = false;
};

/// "1.2 GB", "340 MB".
std::string bytes_text(double bytes);
/// "4 s", "2 min 10 s", "3 h 5 min".
std::string duration_text(double seconds);

}  // namespace modeldiff
