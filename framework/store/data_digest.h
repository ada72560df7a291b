#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>

/// Digests of the user's data, remembered so that a large file is hashed once.
namespace modeldiff {

class DigestCache {
 public:
  /// @param file store/cache/digests.jsonl; several processes may use it at once
  explicit DigestCache(std::filesystem::path file);

  /// SHA-256 of a file's content, or of a folder: the sorted relative names, sizes and contents of
  /// all files in it. A file is read again when its path, size, modification time or inode is
  /// another, or when it was modified so shortly before that a second change could hide behind the
  /// same time.
  /// @throws DataError when the path is absent, unreadable, or changes while it is read
  std::string digest(const std::filesystem::path& path);

  /// Files read so far, rather than remembered.
  std::int64_t files_read() const { return files_read_; }

 private:
  struct Stamp {
    std::uint64_t size = 0;
    std::int64_t modified_ns = 0;
    std::uint64_t inode = 0;
    bool operator==(const Stamp&) const = default;
  };
  struct Entry {
    Stamp stamp;
    std::string sha256;
  };

  static Stamp stamp_of(const std::filesystem::path& path);
  std::string digest_of_file(const std::filesystem::path& path);
  std::string digest_of_folder(const std::filesystem::path& path);
  void read_entries();

  std::filesystem::path file_;
  std::mutex mutex_;
  std::map<std::string, Entry> entries_;  // by path
  std::int64_t files_read_ = 0;
};

}  // namespace modeldiff
