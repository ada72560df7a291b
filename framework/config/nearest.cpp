#include "config/nearest.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

namespace modeldiff {
namespace {

constexpr std::size_t kLongestName = 128;
constexpr std::size_t kNamesListed = 40;

int replacement_cost(char a, char b) {
  if (a == b) return 0;
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  return lower(a) == lower(b) ? 1 : 2;
}

/// "lr" of "learning_rate".
std::string initials_of(std::string_view name) {
  std::string initials;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] != '_' && (i == 0 || name[i - 1] == '_')) initials += name[i];
  }
  return initials;
}

/// "patch" for "patches", "memory" for "memory_gib", "minutes" for "cell_minutes", "lr" for
/// "learning_rate".
bool is_short_for(std::string_view brief, std::string_view whole) {
  constexpr std::size_t kLeastLetters = 3;
  if (brief.size() >= 2 && brief.size() < whole.size() && brief == initials_of(whole)) return true;
  if (brief.size() < kLeastLetters) return false;
  return whole.starts_with(brief) || whole.ends_with("_" + std::string(brief));
}

/// The one candidate that abbreviates the name or that the name abbreviates.
std::optional<std::string> abbreviated_name(std::string_view name,
                                            const std::vector<std::string>& candidates) {
  const std::string* found = nullptr;
  for (const std::string& candidate : candidates) {
    if (!is_short_for(name, candidate) && !is_short_for(candidate, name)) continue;
    if (found && *found != candidate) return std::nullopt;
    found = &candidate;
  }
  return found ? std::optional(*found) : std::nullopt;
}

}  // namespace

int edit_distance_halves(std::string_view a, std::string_view b) {
  constexpr int kEdit = 2;
  std::vector<int> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = kEdit * static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = kEdit * static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + kEdit, row[j - 1] + kEdit,
                         last[j - 1] + replacement_cost(a[i - 1], b[j - 1])});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + kEdit);
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::optional<std::string> nearest_name(std::string_view name,
                                        const std::vector<std::string>& candidates) {
  if (name.empty() || name.size() > kLongestName) return std::nullopt;
  // A name of one letter is near to nothing but its other case: everything would be one edit away.
  const int most = name.size() == 1 ? 1 : 2 * std::max(1, static_cast<int>(name.size()) / 3);
  const auto same_letters = [](char a, char b) { return replacement_cost(a, b) < 2; };
  const std::string* nearest = nullptr;
  int least = most + 1;
  for (const std::string& candidate : candidates) {
    const bool other_case =
        std::equal(name.begin(), name.end(), candidate.begin(), candidate.end(), same_letters);
    if (other_case) return candidate;
    if (candidate.size() > kLongestName || candidate.size() < 2 * (name.size() > 1)) continue;
    const int distance = edit_distance_halves(name, candidate);
    if (distance < least) least = distance, nearest = &candidate;
  }
  return nearest ? std::optional(*nearest) : abbreviated_name(name, candidates);
}

std::string name_advice(std::string_view name, const std::vector<std::string>& candidates,
                        std::string_view label) {
  if (const auto nearest = nearest_name(name, candidates)) {
    return fmt::format("; did you mean '{}'?", *nearest);
  }
  if (candidates.empty()) return "";
  const std::size_t count = std::min(candidates.size(), kNamesListed);
  const std::vector<std::string> listed(candidates.begin(),
                                        candidates.begin() + static_cast<std::ptrdiff_t>(count));
  const std::string rest =
      candidates.size() > count ? fmt::format(", and {} more", candidates.size() - count) : "";
  return fmt::format("; {}: {}{}", label, fmt::join(listed, ", "), rest);
}

}  // namespace modeldiff
