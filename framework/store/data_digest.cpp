#include "store/data_digest.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <set>
#include <vector>

#include "modeldiff/core/error.h"
#include "modeldiff/core/hash.h"
#include "modeldiff/core/json.h"
#include "store/file_io.h"
#include "store/store.h"

namespace modeldiff {
namespace {

namespace fs = std::filesystem;

/// Clocks of file systems tick no coarser than this; a file modified within it may change again
/// unseen.
constexpr std::int64_t kSettledNs = 2'000'000'000;

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// All files below a folder. Links are followed.
/// @param above the real paths of the folders that lead here
void collect_files(const fs::path& folder, std::set<fs::path> above, std::vector<fs::path>& files) {
  if (!above.insert(fs::canonical(folder)).second) {
    throw DataError(fmt::format("'{}' leads back to a folder that holds it", folder.string()));
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory()) {
      collect_files(entry.path(), above, files);
    } else {
      files.push_back(entry.path());
    }
  }
}

}  // namespace

DigestCache::DigestCache(fs::path file) : file_(std::move(file)) { read_entries(); }

void DigestCache::read_entries() {
  if (!fs::exists(file_)) return;
  const std::string text = read_text(file_);
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    const Json line =
        Json::parse(text.begin() + start, text.begin() + end, nullptr, /*allow_exceptions=*/false);
    start = end + 1;
    // What another version or a crash left is no entry: the file is then hashed again.
    try {
      Entry entry{{line.at("size").get<std::uint64_t>(), line.at("modified_ns").get<std::int64_t>(),
                   line.at("inode").get<std::uint64_t>()},
                  line.at("sha256").get<std::string>()};
      if (Key::is_key(entry.sha256))
        entries_[line.at("path").get<std::string>()] = std::move(entry);
    } catch (const Json::exception&) {
    }
  }
}

std::string DigestCache::digest(const fs::path& path) {
  const std::scoped_lock lock(mutex_);
  const fs::path absolute = fs::absolute(path).lexically_normal();
  try {
    return fs::is_directory(absolute) ? digest_of_folder(absolute) : digest_of_file(absolute);
  } catch (const fs::filesystem_error& error) {
    throw DataError(
        fmt::format("cannot read '{}': {}", error.path1().string(), error.code().message()));
  }
}

DigestCache::Stamp DigestCache::stamp_of(const fs::path& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    throw DataError(fmt::format("cannot read '{}': {}", path.string(), std::strerror(errno)));
  }
  return {static_cast<std::uint64_t>(status.st_size),
          status.st_mtim.tv_sec * std::int64_t{1'000'000'000} + status.st_mtim.tv_nsec,
          status.st_ino};
}

std::string DigestCache::digest_of_file(const fs::path& path) {
  const Stamp stamp = stamp_of(path);
  const auto known = entries_.find(path.string());
  if (known != entries_.end() && known->second.stamp == stamp) return known->second.sha256;

  const std::int64_t started_ns = now_ns();
  const std::string sha256 = sha256_of_file(path);
  ++files_read_;
  if (stamp_of(path) != stamp)
    throw DataError(fmt::format("'{}' changed while it was read", path.string()));
  if (stamp.modified_ns + kSettledNs > started_ns) return sha256;

  entries_[path.string()] = {stamp, sha256};
  create_folders(file_.parent_path());
  const Json line = {{"path", path.string()},
                     {"size", stamp.size},
                     {"modified_ns", stamp.modified_ns},
                     {"inode", stamp.inode},
                     {"sha256", sha256}};
  append_line(file_, line.dump(-1, ' ', false, Json::error_handler_t::replace));
  return sha256;
}

std::string DigestCache::digest_of_folder(const fs::path& path) {
  std::vector<fs::path> files;
  collect_files(path, {}, files);
  std::vector<std::pair<std::string, fs::path>> named;
  for (const fs::path& file : files)
    named.emplace_back(file.lexically_relative(path).generic_string(), file);
  std::sort(named.begin(), named.end());
  Hasher hasher;
  for (const auto& [name, file] : named) {
    hasher.update(name).update(std::string_view("\0", 1));
    hasher.update(fmt::format("{} {}\n", fs::file_size(file), digest_of_file(file)));
  }
  return hasher.hex();
}

}  // namespace modeldiff
