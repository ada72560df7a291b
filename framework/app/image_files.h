#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace modeldiff {

/// The JPEG and PNG files of a folder, decoded; other files are passed over.
struct ImageFiles {
  /// Names without the ending, ascending.
  std::vector<std::string> names;
  /// [names, channels, height, width]
  std::vector<std::uint8_t> planes;
  /// How many had another size.
  std::int64_t resized = 0;
};

/// @param channels 1 or 3: grey is made of colour by its luminance, colour of grey by three equal
/// channels
/// @param height, width to which images of another size are resized, bilinear
/// @throws DataError when there is no image, two have one name, or one is corrupt
ImageFiles read_image_files(const std::filesystem::path& folder, std::int64_t channels,
                            std::int64_t height, std::int64_t width);

/// NAME.png for each, in a folder that is made if need be; files that are there are replaced.
/// @param planes [names, channels, height, width]
void write_image_files(const std::filesystem::path& folder, const std::vector<std::string>& names,
                       const std::uint8_t* planes, std::int64_t channels, std::int64_t height,
                       std::int64_t width);

}  // namespace modeldiff
