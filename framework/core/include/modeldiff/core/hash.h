#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "modeldiff/core/api.h"

namespace modeldiff {

/// SHA-256 of bytes fed in pieces.
class MODELDIFF_API Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;

  Hasher& update(const void* data, std::size_t bytes);
  Hasher& update(std::string_view text) { return update(text.data(), text.size()); }
  /// 64 hexadecimal digits. The hasher is spent afterwards.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

MODELDIFF_API std::string sha256(std::string_view bytes);
/// @throws DataError when the file cannot be read
MODELDIFF_API std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace modeldiff
