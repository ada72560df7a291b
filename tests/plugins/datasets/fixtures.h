#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "modeldiff/core/error.h"
#include "modeldiff/core/json.h"

/// What tests of data sets are fed with. Free of torch.
namespace modeldiff::testing {

/// A folder of its own that goes away with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// Writes a file, creating the folders above. @return its path
  std::filesystem::path write(const std::string& name, std::string_view bytes) const;

 private:
  std::filesystem::path path_;
};

/// The folder of real data, or nothing; then the test's name and what it lacks have been printed.
std::optional<std::filesystem::path> find_data(const std::string& name);

/// tests/baselines/datasets.json
const Json& baselines();

std::string gzipped(std::string_view bytes);

/// An archive, entry by entry, with whatever names and sizes the test wants.
class TarBuilder {
 public:
  TarBuilder& file(const std::string& name, std::string_view content);
  TarBuilder& folder(const std::string& name);
  /// @param type of the POSIX header: '1' hard link, '2' symbolic link, '3' device
  TarBuilder& special(const std::string& name, char type, const std::string& target);
  /// A header that promises `size` bytes, followed by `content` alone.
  TarBuilder& promise(const std::string& name, std::uint64_t size, std::string_view content);
  std::string bytes() const;

 private:
  void header(const std::string& name, std::uint64_t size, char type, const std::string& target);
  void padded(std::string_view content);

  std::string bytes_;
};

/// An IDX file of unsigned bytes.
std::string idx_bytes(const std::vector<std::uint32_t>& shape, std::string_view values);

/// [height, width, 3] pixels as an image file.
std::string jpeg_bytes(std::int64_t height, std::int64_t width,
                       const std::vector<std::uint8_t>& pixels, int quality = 95);
std::string png_bytes(std::int64_t height, std::int64_t width,
                      const std::vector<std::uint8_t>& pixels);
std::vector<std::uint8_t> plain_pixels(std::int64_t height, std::int64_t width, std::uint8_t r,
                                       std::uint8_t g, std::uint8_t b);

/// The text of the error of type E that the call ends with; "" when it ends well.
template <typename E, typename Call>
std::string error_of(Call&& call) {
  try {
    call();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

inline bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace modeldiff::testing
