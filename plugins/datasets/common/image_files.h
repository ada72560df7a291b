#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/image_listing.h"

namespace modeldiff {

/// An image as its file has it.
struct EncodedImage {
  std::string name;  // for error texts: "FOLDER OR ARCHIVE: train/cat/0001.jpg"
  std::string bytes;
};

struct ImageFiles {
  ImageListing listing;
  std::vector<EncodedImage> images;  // those of the listing, in its order
};

/// Reads the JPEG and PNG files of a folder, .tar or .tar.gz; none is decoded.
/// @throws DataError naming archive and entry, see read_files() and list_images()
ImageFiles read_image_files(const std::filesystem::path& path);

}  // namespace modeldiff
