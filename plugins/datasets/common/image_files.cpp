#include "common/image_files.h"

#include <fmt/format.h>

#include <unordered_map>

#include "common/archive_reader.h"
#include "modeldiff/core/error.h"

namespace modeldiff {

ImageFiles read_image_files(const std::filesystem::path& path) {
  std::unordered_map<std::string, std::string> contents;
  read_files(path, {}, names_image, [&](const std::string& name, std::string content) {
    if (!contents.emplace(name, std::move(content)).second) {
      throw DataError(fmt::format("{}: holds '{}' twice", path.string(), name));
    }
  });
  std::vector<std::string> names;
  for (const auto& [name, content] : contents) names.push_back(name);
  ImageFiles out;
  out.listing = list_images(std::move(names), path.string());
  for (const ListedImage& listed : out.listing.images)
    out.images.push_back({path.string() + ": " + listed.name, std::move(contents[listed.name])});
  return out;
}

}  // namespace modeldiff
