#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

/// Files of a folder, a .tar or a .tar.gz, one after the other. What an archive says is not
/// trusted: names that leave the archive, links, devices and sizes beyond the limits are errors.
namespace modeldiff {

struct ArchiveLimits {
  std::uint64_t file_bytes = std::uint64_t{64} << 20;
  std::uint64_t total_bytes = std::uint64_t{16} << 30;  // of the files that are wanted
  std::int64_t files = 20'000'000;
};

/// Whether the file of this name is to be read.
using WantsFile = std::function<bool(const std::string& name)>;
/// Takes the content of one file. Names are relative, with '/' between folders.
using TakeFile = std::function<void(const std::string& name, std::string content)>;

/// @param path a folder (read in the order of names) or an archive (in its own order). Links to
/// files in a folder are
///             followed, links to folders are not: the folder is the user's own.
/// @throws DataError naming archive and entry
void read_files(const std::filesystem::path& path, const ArchiveLimits& limits,
                const WantsFile& wants, const TakeFile& take);

/// The same for an archive in memory. @param name for error texts
void read_archive(std::string_view bytes, const std::string& name, const ArchiveLimits& limits,
                  const WantsFile& wants, const TakeFile& take);

/// The name without "./" in front and '/' at the end.
/// @throws DataError when it is empty or absolute, or has a part "..", a backslash or a control
/// character
std::string checked_entry_name(std::string_view entry, const std::string& archive);

}  // namespace modeldiff
