#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace modeldiff {

/// @throws DataError naming the path when it is absent, no regular file, unreadable or larger than
/// `limit` bytes
std::string read_file(const std::filesystem::path& path, std::uint64_t limit);

/// The content of a file, front to back; gzip data is unpacked on the way. What a file says about
/// its own size can be compared with `most_left()` before memory is asked for.
class ByteReader {
 public:
  /// @param bytes the file, which must outlive the reader
  /// @param name  for error texts
  ByteReader(std::string_view bytes, std::string name);
  ~ByteReader();
  ByteReader(const ByteReader&) = delete;
  ByteReader& operator=(const ByteReader&) = delete;

  const std::string& name() const { return name_; }
  /// @throws DataError when fewer bytes are left or the gzip data is corrupt
  void read(void* out, std::size_t count);
  /// @throws DataError when the gzip data is corrupt
  bool at_end();
  /// No more than so many bytes can follow. Exact for plain files; for gzip data what its packed
  /// size allows.
  std::uint64_t most_left() const;

 private:
  struct Inflater;
  /// Up to `count` bytes; fewer only at the end.
  std::size_t read_some(std::uint8_t* out, std::size_t count);

  std::string_view rest_;
  std::string name_;
  std::uint64_t delivered_ = 0;
  std::unique_ptr<Inflater> inflater_;  // nullptr: plain
  int peeked_ = -1;                     // a byte that at_end() had to unpack
};

}  // namespace modeldiff
