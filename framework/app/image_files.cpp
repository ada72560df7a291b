#include "app/image_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "images/image_decode.h"
#include "images/image_encode.h"
#include "modeldiff/core/error.h"
#include "store/file_io.h"

namespace modeldiff {
namespace {

namespace fs = std::filesystem;

bool is_image(const fs::path& file) {
  std::string ending = file.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg";
}

/// Name without the ending -> file.
std::map<std::string, fs::path> images_of(const fs::path& folder) {
  std::error_code error;
  std::map<std::string, fs::path> out;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (!at->is_regular_file(error) || !is_image(at->path())) continue;
    const auto [other, is_new] = out.emplace(at->path().stem().string(), at->path());
    if (!is_new) {
      throw DataError(fmt::format("'{}' and '{}' would both become {}.png", at->path().string(),
                                  other->second.string(), other->first));
    }
  }
  if (error)
    throw DataError(fmt::format("'{}' cannot be read: {}", folder.string(), error.message()));
  if (out.empty())
    throw DataError(fmt::format("'{}' holds no .png, .jpg or .jpeg file", folder.string()));
  return out;
}

}  // namespace

ImageFiles read_image_files(const fs::path& folder, std::int64_t channels, std::int64_t height,
                            std::int64_t width) {
  ImageFiles out;
  const std::map<std::string, fs::path> files = images_of(folder);
  const auto bytes_of_image = static_cast<std::size_t>(channels * height * width);
  out.planes.resize(files.size() * bytes_of_image);
  for (const auto& [name, file] : files) {
    RgbImage image = decode_image(read_text(file), file.string());
    if (image.height != height || image.width != width) {
      image = resize_bilinear(image, height, width);
      ++out.resized;
    }
    write_planes(image, channels, out.planes.data() + out.names.size() * bytes_of_image);
    out.names.push_back(name);
  }
  return out;
}

void write_image_files(const fs::path& folder, const std::vector<std::string>& names,
                       const std::uint8_t* planes, std::int64_t channels, std::int64_t height,
                       std::int64_t width) {
  create_folders(folder);
  for (const std::string& name : names) {
    write_text_atomically(folder / (name + ".png"),
                          encode_png(rows_of(planes, channels, height, width)));
    planes += channels * height * width;
  }
}

}  // namespace modeldiff
