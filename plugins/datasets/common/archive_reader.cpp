#include "common/archive_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "common/byte_reader.h"
#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

struct CloseArchive {
  void operator()(archive* handle) const { archive_read_free(handle); }
};
using ArchiveHandle = std::unique_ptr<archive, CloseArchive>;

/// Nothing but tar, plain or gzipped: each further format is code that reads untrusted bytes.
ArchiveHandle new_tar_handle() {
  ArchiveHandle handle(archive_read_new());
  if (!handle) throw DataError("libarchive could not be started: no memory");
  archive_read_support_filter_gzip(handle.get());
  archive_read_support_format_tar(handle.get());
  return handle;
}

std::string error_text(archive* handle) {
  const char* text = archive_error_string(handle);
  return text ? text : "no further detail";
}

std::string_view type_text(archive_entry* entry) {
  if (archive_entry_hardlink(entry)) return "a hard link";
  switch (archive_entry_filetype(entry)) {
    case AE_IFLNK:
      return "a symbolic link";
    case AE_IFCHR:
    case AE_IFBLK:
      return "a device";
    case AE_IFIFO:
      return "a pipe";
    case AE_IFSOCK:
      return "a socket";
    default:
      return "of an unknown type";
  }
}

/// What has been read so far, against the limits.
class Budget {
 public:
  Budget(const ArchiveLimits& limits, std::string source)
      : limits_(limits), source_(std::move(source)) {}

  void count_file() {
    if (++files_ > limits_.files) {
      throw DataError(fmt::format("{}: holds more than {} files", source_, limits_.files));
    }
  }
  void check_file(const std::string& name, std::uint64_t bytes) const {
    if (bytes > limits_.file_bytes) {
      throw DataError(fmt::format("{}: '{}' has {} bytes, more than the {} of a file that is read",
                                  source_, name, bytes, limits_.file_bytes));
    }
    if (bytes > limits_.total_bytes - total_) {
      throw DataError(fmt::format(
          "{}: up to '{}' the files have {} bytes together, more than the {} that are read",
          source_, name, total_ + bytes, limits_.total_bytes));
    }
  }
  void count_bytes(std::uint64_t bytes) { total_ += bytes; }

 private:
  ArchiveLimits limits_;
  std::string source_;
  std::int64_t files_ = 0;
  std::uint64_t total_ = 0;
};

std::string read_entry(archive* handle, const std::string& name, const std::string& source,
                       std::uint64_t size) {
  // The size is only claimed: memory follows what is really there.
  constexpr std::uint64_t kStep = 1 << 20;
  std::string content;
  for (;;) {
    const std::size_t have = content.size();
    const std::size_t room =
        static_cast<std::size_t>(std::min(size - have, std::max<std::uint64_t>(kStep, have)));
    if (room == 0) return content;
    content.resize(have + room);
    const la_ssize_t got = archive_read_data(handle, content.data() + have, room);
    if (got < 0)
      throw DataError(fmt::format("{}: '{}' cannot be read: {}", source, name, error_text(handle)));
    content.resize(have + static_cast<std::size_t>(got));
    if (got == 0) {
      throw DataError(fmt::format("{}: '{}' ends early: expected {} bytes, found {}", source, name,
                                  size, have));
    }
  }
}

void read_entries(archive* handle, const std::string& source, const ArchiveLimits& limits,
                  const WantsFile& wants, const TakeFile& take) {
  Budget budget(limits, source);
  std::string previous;
  for (;;) {
    archive_entry* entry = nullptr;
    const int status = archive_read_next_header(handle, &entry);
    if (status == ARCHIVE_EOF) return;
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN) {
      throw DataError(
          fmt::format("{}: is no .tar or .tar.gz, or a corrupt one, {}: {}", source,
                      previous.empty() ? "from its first entry on" : "after '" + previous + "'",
                      error_text(handle)));
    }
    const char* raw = archive_entry_pathname_utf8(entry);
    if (!raw) raw = archive_entry_pathname(entry);
    if (!raw)
      throw DataError(
          fmt::format("{}: the entry after '{}' has no readable name", source, previous));
    if (archive_entry_filetype(entry) == AE_IFDIR &&
        std::string_view(raw).find_first_not_of("./") == std::string::npos) {
      continue;  // the folder "./" itself
    }
    const std::string name = checked_entry_name(raw, source);
    previous = name;
    if (archive_entry_filetype(entry) == AE_IFDIR) continue;
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry)) {
      throw DataError(fmt::format("{}: '{}' is {}; only files and folders are read", source, name,
                                  type_text(entry)));
    }
    budget.count_file();
    if (!wants(name)) continue;
    if (!archive_entry_size_is_set(entry) || archive_entry_size(entry) < 0 ||
        archive_entry_sparse_count(entry) > 0) {
      throw DataError(
          fmt::format("{}: '{}' is a sparse file, or its size is not stated", source, name));
    }
    const auto size = static_cast<std::uint64_t>(archive_entry_size(entry));
    budget.check_file(name, size);
    std::string content = read_entry(handle, name, source, size);
    budget.count_bytes(size);
    take(name, std::move(content));
  }
}

void read_folder(const std::filesystem::path& folder, const ArchiveLimits& limits,
                 const WantsFile& wants, const TakeFile& take) {
  namespace fs = std::filesystem;
  Budget budget(limits, folder.string());
  std::vector<std::string> names;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    if (!at->is_regular_file(error)) continue;
    budget.count_file();
    std::string name = at->path().lexically_relative(folder).generic_string();
    if (wants(name)) names.push_back(std::move(name));
  }
  if (error)
    throw DataError(fmt::format("{}: cannot be read: {}", folder.string(), error.message()));
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    const std::uint64_t size = fs::file_size(folder / name, error);
    budget.check_file(name, error ? 0 : size);
    std::string content = read_file(folder / name, limits.file_bytes);
    budget.count_bytes(content.size());
    take(name, std::move(content));
  }
}

}  // namespace

std::string checked_entry_name(std::string_view entry, const std::string& archive) {
  const auto refuse = [&](std::string_view what) {
    throw DataError(fmt::format("{}: the entry '{}' {}; nothing of this archive is used", archive,
                                entry, what));
  };
  std::string_view name = entry;
  while (name.starts_with("./")) name.remove_prefix(2);
  while (name.ends_with('/')) name.remove_suffix(1);
  if (entry.starts_with('/')) refuse("has an absolute name");
  if (name.empty()) refuse("has no name");
  if (name.find('\\') != std::string_view::npos) refuse("has a backslash in its name");
  if (std::any_of(name.begin(), name.end(),
                  [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
    refuse("has a control character in its name");
  }
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    if (name.substr(begin, end - begin) == "..") refuse("leads out of the archive");
    begin = end + 1;
  }
  return std::string(name);
}

void read_files(const std::filesystem::path& path, const ArchiveLimits& limits,
                const WantsFile& wants, const TakeFile& take) {
  if (std::filesystem::is_directory(path)) return read_folder(path, limits, wants, take);
  constexpr std::size_t kBlock = 1 << 18;
  const ArchiveHandle handle = new_tar_handle();
  if (archive_read_open_filename(handle.get(), path.c_str(), kBlock) != ARCHIVE_OK) {
    throw DataError(fmt::format("{}: is no .tar or .tar.gz that can be read: {}", path.string(),
                                error_text(handle.get())));
  }
  read_entries(handle.get(), path.string(), limits, wants, take);
}

void read_archive(std::string_view bytes, const std::string& name, const ArchiveLimits& limits,
                  const WantsFile& wants, const TakeFile& take) {
  const ArchiveHandle handle = new_tar_handle();
  if (archive_read_open_memory(handle.get(), bytes.data(), bytes.size()) != ARCHIVE_OK) {
    throw DataError(fmt::format("{}: is no .tar or .tar.gz that can be read: {}", name,
                                error_text(handle.get())));
  }
  read_entries(handle.get(), name, limits, wants, take);
}

}  // namespace modeldiff
