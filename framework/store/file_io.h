#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "modeldiff/core/hash.h"

/// Files that are written once. Whatever the system refuses becomes a StorageError with the path,
/// the bytes that were needed and free, and what to do about it.
namespace modeldiff {

/// @param error  the system's errno
/// @param action what was tried: "write", "create the folder"
/// @param bytes  how many bytes were needed; 0: not a matter of space
[[noreturn]] void throw_storage_error(int error, std::string_view action,
                                      const std::filesystem::path& path, std::uint64_t bytes = 0);

/// Bytes that the user may still write on the file system of `path`, which need not exist yet.
std::uint64_t free_disk(const std::filesystem::path& path);

/// Creates the folder and its parents; one that exists is fine.
void create_folders(const std::filesystem::path& path);
/// Removes a file or folder with all it holds, as far as the system lets us; absence is fine.
void remove_quietly(const std::filesystem::path& path) noexcept;

/// @throws DataError naming the path when it is absent, unreadable or larger than `limit`
std::string read_text(const std::filesystem::path& path,
                      std::uint64_t limit = std::uint64_t{1} << 30);

/// Replaces the file as one step: readers see the old text or the new one.
void write_text_atomically(const std::filesystem::path& path, std::string_view text);

/// Appends one line to a file that several processes may append to. A line that a crash cut short
/// is for the reader to pass over.
void append_line(const std::filesystem::path& path, std::string_view line);

struct FileDigest {
  std::uint64_t bytes = 0;
  std::string sha256;
};

/// A new file that is hashed while it is written.
class OutputFile {
 public:
  /// @param expected_bytes what will be written in all, for the error text of a full disk; 0:
  /// unknown
  /// @throws StorageError also when the file exists
  explicit OutputFile(std::filesystem::path path, std::uint64_t expected_bytes = 0);
  /// Closes without a word; the file stays, for its folder's owner to remove.
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(const void* data, std::size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Writes what is left and closes. Nothing may be written afterwards.
  FileDigest close();

  const std::filesystem::path& path() const { return path_; }

 private:
  void flush();
  void write_through(const std::byte* data, std::size_t bytes);

  std::filesystem::path path_;
  std::uint64_t expected_bytes_;
  std::uint64_t written_ = 0;
  int descriptor_ = -1;
  std::string buffer_;
  Hasher hasher_;
};

/// A file in memory, read only, shared by all who hold it. The file must not be shortened
/// meanwhile: artifacts are immutable once they are visible.
class MappedFile {
 public:
  /// @throws DataError when it cannot be read
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace modeldiff
