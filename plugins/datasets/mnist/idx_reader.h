#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace modeldiff {

/// An array of unsigned bytes, as MNIST's files hold it.
struct IdxArray {
  std::vector<std::int64_t> shape;
  std::vector<std::uint8_t> values;  // row-major
};

/// Reads an IDX file, plain or gzipped: the magic number 0x000008dd (dd dimensions), the sizes as
/// big-endian 32-bit numbers, the values.
/// @param bytes      the file
/// @param name       for error texts
/// @param dimensions that are expected
/// @throws DataError when the file is of another kind, shorter or longer than its header says, or
/// its gzip data is
///         corrupt. Memory is asked for only when the header's size fits the file.
IdxArray parse_idx(std::string_view bytes, const std::string& name, int dimensions);

/// @throws DataError as parse_idx, and when the file cannot be read
IdxArray read_idx(const std::filesystem::path& path, int dimensions);

}  // namespace modeldiff
