#include "store/file_io.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "modeldiff/core/error.h"
#include "store/fault.h"

namespace modeldiff {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBufferBytes = 256 << 10;

/// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

[[noreturn]] void throw_read_error(int error, const fs::path& path) {
  throw DataError(fmt::format("cannot read '{}': {}", path.string(), std::strerror(error)));
}

/// Opens a regular file. @return its size
std::uint64_t open_for_reading(const fs::path& path, const Descriptor& descriptor) {
  struct stat status{};
  if (descriptor.number() < 0 || ::fstat(descriptor.number(), &status) != 0)
    throw_read_error(errno, path);
  if (!S_ISREG(status.st_mode)) {
    throw DataError(fmt::format("cannot read '{}': expected a file, found {}", path.string(),
                                S_ISDIR(status.st_mode) ? "a folder" : "something else"));
  }
  return static_cast<std::uint64_t>(status.st_size);
}

std::string advice(int error) {
  switch (error) {
    case ENOSPC:
      return "free some space there, or put the store on another disk";
    case EDQUOT:
      return "remove files of yours there, ask for a larger quota, or put the store on another "
             "disk";
    case EACCES:
    case EPERM:
      return "make the folder writable for this user, or put the store elsewhere";
    case EROFS:
      return "put the store on a file system that can be written";
    default:
      return "";
  }
}

}  // namespace

void throw_storage_error(int error, std::string_view action, const fs::path& path,
                         std::uint64_t bytes) {
  std::string text = fmt::format("cannot {} '{}': {}", action, path.string(), std::strerror(error));
  if (bytes > 0 && (error == ENOSPC || error == EDQUOT)) {
    text += fmt::format("; {} bytes are needed, {} are free", bytes, free_disk(path));
  }
  if (const std::string what_to_do = advice(error); !what_to_do.empty()) text += "; " + what_to_do;
  throw StorageError(text);
}

std::uint64_t free_disk(const fs::path& path) {
  fs::path existing = fs::absolute(path);
  struct statvfs status{};
  while (::statvfs(existing.c_str(), &status) != 0) {
    if (!existing.has_relative_path()) return 0;
    existing = existing.parent_path();
  }
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

void create_folders(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw_storage_error(error.value(), "create the folder", path);
}

void remove_quietly(const fs::path& path) noexcept {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

std::string read_text(const fs::path& path, std::uint64_t limit) {
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const std::uint64_t size = open_for_reading(path, descriptor);
  if (size > limit) {
    throw DataError(fmt::format("cannot read '{}': expected at most {} bytes, found {}",
                                path.string(), limit, size));
  }
  std::string text(size, '\0');
  std::size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t got = ::read(descriptor.number(), text.data() + filled, text.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_read_error(errno, path);
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  text.resize(filled);
  return text;
}

void write_text_atomically(const fs::path& path, std::string_view text) {
  static std::atomic<std::uint64_t> serial{0};
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  create_folders(folder);
  const fs::path temporary =
      folder / fmt::format(".{}.{}.{}", path.filename().string(), ::getpid(), serial++);
  try {
    OutputFile file(temporary, text.size());
    file.write(text);
    file.close();
    if (::rename(temporary.c_str(), path.c_str()) != 0) throw_storage_error(errno, "replace", path);
  } catch (...) {
    remove_quietly(temporary);
    throw;
  }
}

void append_line(const fs::path& path, std::string_view line) {
  const Descriptor descriptor(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (descriptor.number() < 0) throw_storage_error(errno, "append to", path);
  const std::string text = std::string(line) + '\n';
  // One call, so that lines of several processes do not mix.
  const ssize_t put = ::write(descriptor.number(), text.data(), text.size());
  if (put < 0) throw_storage_error(errno, "append to", path, text.size());
  if (static_cast<std::size_t>(put) < text.size())
    throw_storage_error(ENOSPC, "append to", path, text.size());
}

OutputFile::OutputFile(fs::path path, std::uint64_t expected_bytes)
    : path_(std::move(path)), expected_bytes_(expected_bytes) {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor_ < 0) throw_storage_error(errno, "create", path_);
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void OutputFile::write(const void* data, std::size_t bytes) {
  hasher_.update(data, bytes);
  written_ += bytes;
  if (buffer_.size() + bytes > kBufferBytes) flush();
  if (bytes > kBufferBytes) {
    write_through(static_cast<const std::byte*>(data), bytes);
  } else {
    buffer_.append(static_cast<const char*>(data), bytes);
  }
}

FileDigest OutputFile::close() {
  flush();
  // Some file systems say only here that the disk is full.
  const int closed = ::close(std::exchange(descriptor_, -1));
  if (closed != 0) throw_storage_error(errno, "write", path_, std::max(expected_bytes_, written_));
  return {written_, hasher_.hex()};
}

void OutputFile::flush() {
  write_through(reinterpret_cast<const std::byte*>(buffer_.data()), buffer_.size());
  buffer_.clear();
}

void OutputFile::write_through(const std::byte* data, std::size_t bytes) {
  std::size_t done = 0;
  // With faults armed the first half goes out by itself, so that a kill leaves a file cut in the
  // middle.
  std::size_t stop = faults_armed() ? bytes / 2 : bytes;
  while (done < bytes) {
    if (done == stop) {
      fault_point("mid_write");
      stop = bytes;
    }
    const ssize_t put = ::write(descriptor_, data + done, stop - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) throw_storage_error(errno, "write", path_, std::max(expected_bytes_, written_));
    done += static_cast<std::size_t>(put);
  }
}

MappedFile::MappedFile(const fs::path& path) {
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  size_ = open_for_reading(path, descriptor);
  if (size_ == 0) return;
  void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor.number(), 0);
  if (address == MAP_FAILED) throw_read_error(errno, path);
  data_ = static_cast<const std::byte*>(address);
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace modeldiff
