#include "common/byte_reader.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <limits>

#include "modeldiff/core/error.h"

namespace modeldiff {

std::string read_file(const std::filesystem::path& path, std::uint64_t limit) {
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(path, error);
  if (error) throw DataError(fmt::format("{}: cannot be read: {}", path.string(), error.message()));
  if (size > limit) {
    throw DataError(fmt::format("{}: has {} bytes, more than the {} that are read", path.string(),
                                size, limit));
  }
  std::string bytes(size, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(bytes.data(), static_cast<std::streamsize>(size));
  if (static_cast<std::uint64_t>(file.gcount()) != size) {
    throw DataError(fmt::format("{}: cannot be read: expected {} bytes, got {}", path.string(),
                                size, file.gcount()));
  }
  return bytes;
}

struct ByteReader::Inflater {
  Inflater() {
    constexpr int kGzip = 16 + MAX_WBITS;
    if (inflateInit2(&stream, kGzip) != Z_OK)
      throw DataError("zlib could not be started: no memory");
  }
  ~Inflater() { inflateEnd(&stream); }

  z_stream stream{};
  bool finished = false;  // at the end of the last gzip member
};

ByteReader::ByteReader(std::string_view bytes, std::string name)
    : rest_(bytes), name_(std::move(name)) {
  if (bytes.starts_with("\x1f\x8b")) inflater_ = std::make_unique<Inflater>();
}

ByteReader::~ByteReader() = default;

std::size_t ByteReader::read_some(std::uint8_t* out, std::size_t count) {
  if (!inflater_) {
    count = std::min(count, rest_.size());
    if (count > 0)
      std::memcpy(out, rest_.data(), count);  // memcpy of nothing still wants valid addresses
    rest_.remove_prefix(count);
    return count;
  }
  constexpr std::size_t kMostAtOnce = std::numeric_limits<uInt>::max();
  z_stream& stream = inflater_->stream;
  std::size_t done = 0;
  while (done < count && !inflater_->finished) {
    const std::size_t given = std::min(rest_.size(), kMostAtOnce),
                      wanted = std::min(count - done, kMostAtOnce);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(rest_.data()));
    stream.avail_in = static_cast<uInt>(given);
    stream.next_out = out + done;
    stream.avail_out = static_cast<uInt>(wanted);
    const int status = inflate(&stream, Z_NO_FLUSH);
    rest_.remove_prefix(given - stream.avail_in);
    done += wanted - stream.avail_out;
    if (status == Z_STREAM_END) {
      inflater_->finished = rest_.empty();
      inflateReset(&stream);  // further members may follow
    } else if (status == Z_BUF_ERROR || (status == Z_OK && rest_.empty() && stream.avail_out > 0)) {
      throw DataError(fmt::format("{}: the gzip data ends early, after {} unpacked bytes", name_,
                                  delivered_ + done));
    } else if (status != Z_OK) {
      throw DataError(fmt::format("{}: the gzip data is corrupt after {} unpacked bytes: {}", name_,
                                  delivered_ + done,
                                  stream.msg ? stream.msg : "no further detail"));
    }
  }
  return done;
}

void ByteReader::read(void* out, std::size_t count) {
  auto* bytes = static_cast<std::uint8_t*>(out);
  std::size_t done = 0;
  if (count > 0 && peeked_ >= 0) {
    bytes[done++] = static_cast<std::uint8_t>(peeked_);
    peeked_ = -1;
  }
  done += read_some(bytes + done, count - done);
  if (done < count) {
    throw DataError(fmt::format("{}: ends early: expected {} bytes after byte {}, found {}", name_,
                                count, delivered_, done));
  }
  delivered_ += count;
}

bool ByteReader::at_end() {
  if (peeked_ >= 0) return false;
  std::uint8_t byte = 0;
  if (read_some(&byte, 1) == 0) return true;
  peeked_ = byte;
  return false;
}

std::uint64_t ByteReader::most_left() const {
  const std::uint64_t peeked = peeked_ >= 0 ? 1 : 0;
  if (!inflater_) return rest_.size() + peeked;
  // Deflate makes at most 258 bytes of 2 bits; what inflate already holds in its window comes on
  // top.
  constexpr std::uint64_t kMostRatio = 1032, kWindow = 1 << 16;
  return rest_.size() * kMostRatio + kWindow + peeked;
}

}  // namespace modeldiff
