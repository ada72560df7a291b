#include "idx_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/byte_reader.h"
#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

constexpr std::uint64_t kMostFileBytes = std::uint64_t{4} << 30;
constexpr std::uint32_t kUnsignedBytes = 0x0800;

std::uint32_t read_big_endian(ByteReader& reader) {
  std::uint8_t b[4];
  reader.read(b, sizeof b);
  return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
}

}  // namespace

IdxArray parse_idx(std::string_view bytes, const std::string& name, int dimensions) {
  ByteReader reader(bytes, name);
  const std::uint32_t expected = kUnsignedBytes | static_cast<std::uint32_t>(dimensions);
  if (const std::uint32_t magic = read_big_endian(reader); magic != expected) {
    throw DataError(fmt::format(
        "{}: expected the magic number {:#010x} (unsigned bytes, {} dimensions), found {:#010x}",
        name, expected, dimensions, magic));
  }
  IdxArray array;
  std::uint64_t count = 1;
  bool overflow = false;
  for (int d = 0; d < dimensions; ++d) {
    const std::uint64_t size = read_big_endian(reader);
    array.shape.push_back(static_cast<std::int64_t>(size));
    overflow |= __builtin_mul_overflow(count, size, &count);
  }
  const std::uint64_t most = reader.most_left();
  if (overflow || count > most) {
    throw DataError(
        fmt::format("{}: the header promises {} bytes, the file can hold no more than {}", name,
                    fmt::join(array.shape, " x "), most));
  }
  array.values.resize(count);
  reader.read(array.values.data(), count);
  if (!reader.at_end()) {
    throw DataError(fmt::format("{}: the file goes on after the {} bytes that its header promises",
                                name, count));
  }
  return array;
}

IdxArray read_idx(const std::filesystem::path& path, int dimensions) {
  return parse_idx(read_file(path, kMostFileBytes), path.string(), dimensions);
}

}  // namespace modeldiff
