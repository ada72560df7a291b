#include "store/layout.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <charconv>
#include <fstream>
#include <iterator>
#include <mutex>
#include <optional>

namespace modeldiff::layout {
namespace {

namespace fs = std::filesystem;

/// When a process of this machine began, in clock ticks since the machine did; nothing when there
/// is no such process.
std::optional<std::uint64_t> start_of(long pid) {
  std::ifstream in(fmt::format("/proc/{}/stat", pid));
  const std::string line{std::istreambuf_iterator<char>(in), {}};
  // The second field, the program's name in brackets, may hold blanks and brackets; `start` is the
  // 22nd.
  std::size_t at = line.rfind(')');
  for (int field = 2; field < 22 && at != std::string::npos; ++field) at = line.find(' ', at + 1);
  if (at == std::string::npos) return std::nullopt;
  std::uint64_t start = 0;
  const auto [end, error] = std::from_chars(line.data() + at + 1, line.data() + line.size(), start);
  return error == std::errc() ? std::optional(start) : std::nullopt;
}

}  // namespace

bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 200 && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) || c == '.' || c == '_' || c == '-';
         });
}

std::string host_name() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  std::error_code ignored;
  const std::string space =
      fs::read_symlink("/proc/self/ns/pid", ignored).string();  // "pid:[4026531836]"
  std::string digits;
  std::copy_if(space.begin(), space.end(), std::back_inserter(digits),
               [](unsigned char c) { return std::isdigit(c); });
  return fmt::format("{}-{}", host, digits);
}

const std::string& process_name() {
  static std::mutex mutex;
  static long known_pid = 0;
  static std::string name;
  const std::scoped_lock lock(mutex);
  // After a fork the name must be that of the child.
  if (const long pid = ::getpid(); pid != known_pid) {
    name = fmt::format("{}.{}.{}", host_name(), pid, start_of(pid).value_or(0));
    known_pid = pid;
  }
  return name;
}

std::string temporary_name() {
  static std::atomic<std::uint64_t> serial{0};
  return fmt::format("{}-{}", process_name(), serial++);
}

Owner owner_of(const std::string& temporary_name) {
  const std::size_t last = temporary_name.rfind('.');
  const std::size_t middle =
      last == std::string::npos || last == 0 ? last : temporary_name.rfind('.', last - 1);
  if (middle == std::string::npos || middle == 0) return Owner::foreign;
  if (temporary_name.compare(0, middle, host_name()) != 0) return Owner::foreign;
  const char* const text = temporary_name.data();
  long pid = 0;
  std::uint64_t start = 0;
  const bool named_so =
      std::from_chars(text + middle + 1, text + last, pid).ec == std::errc() &&
      std::from_chars(text + last + 1, text + temporary_name.size(), start).ec == std::errc();
  if (!named_so) return Owner::foreign;
  return start_of(pid) == start ? Owner::alive : Owner::dead;
}

std::uint64_t folder_bytes(const fs::path& folder) {
  std::uint64_t total = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code gone;
    if (!at->is_regular_file(gone)) continue;
    if (const std::uint64_t size = at->file_size(gone); !gone) total += size;
  }
  return total;
}

}  // namespace modeldiff::layout
