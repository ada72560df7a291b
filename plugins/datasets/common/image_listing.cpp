#include "common/image_listing.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>

#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

struct Place {
  std::string above;  // folders over the part or class
  std::string part;   // "train", "test" or ""
  std::string folder;
};

std::vector<std::string> split_path(const std::string& name) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    parts.push_back(name.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

Place place_of(const std::string& name, const std::string& source) {
  std::vector<std::string> parts = split_path(name);
  if (parts.size() < 2) {
    throw DataError(fmt::format(
        "{}: the image '{}' lies in no folder; expected [train|test/]CLASS/FILE", source, name));
  }
  parts.pop_back();
  Place place;
  place.folder = parts.back();
  parts.pop_back();
  if (!parts.empty() && (parts.back() == "train" || parts.back() == "test")) {
    place.part = parts.back();
    parts.pop_back();
  }
  place.above = fmt::format("{}", fmt::join(parts, "/"));
  return place;
}

std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 12;
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kShown));
  return fmt::format("{}{}", fmt::join(names.begin(), end, ", "),
                     end == names.end() ? "" : ", ...");
}

}  // namespace

bool names_image(const std::string& name) {
  const std::string base = name.substr(name.rfind('/') + 1);
  if (base.starts_with('.')) return false;
  std::string ending = base.substr(std::min(base.rfind('.'), base.size()));
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return ending == ".jpg" || ending == ".jpeg" || ending == ".png";
}

ImageListing list_images(std::vector<std::string> names, const std::string& source) {
  if (names.empty()) throw DataError(source + ": holds no .jpg, .jpeg or .png file");
  std::sort(names.begin(), names.end());
  const Place first = place_of(names.front(), source);
  std::vector<Place> places;
  std::set<std::string> folders;
  for (std::size_t i = 0; i < names.size(); ++i) {
    Place place = place_of(names[i], source);
    if (i > 0 && names[i] == names[i - 1])
      throw DataError(fmt::format("{}: holds '{}' twice", source, names[i]));
    if (place.above != first.above || place.part.empty() != first.part.empty()) {
      throw DataError(
          fmt::format("{}: '{}' and '{}' do not lie alike; expected all as [train|test/]CLASS/FILE",
                      source, names.front(), names[i]));
    }
    folders.insert(place.folder);
    places.push_back(std::move(place));
  }
  ImageListing listing;
  listing.folders.assign(folders.begin(), folders.end());
  listing.has_parts = !first.part.empty();
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto folder =
        std::lower_bound(listing.folders.begin(), listing.folders.end(), places[i].folder);
    listing.images.push_back(
        {std::move(names[i]), folder - listing.folders.begin(), places[i].part == "test"});
  }
  return listing;
}

std::int64_t folder_index(const std::vector<std::string>& folders, const std::string& name,
                          const std::string& key) {
  const auto at = std::lower_bound(folders.begin(), folders.end(), name);
  if (at == folders.end() || *at != name) {
    throw ConfigError(
        key, fmt::format("there is no class folder '{}'; there are {}", name, some_of(folders)));
  }
  return at - folders.begin();
}

ClassMap map_classes(const std::vector<std::string>& folders, const std::vector<std::string>& keep,
                     const std::vector<std::string>& without,
                     const std::map<std::string, std::vector<std::string>>& merge) {
  const bool sorted = keep.empty();
  std::set<std::int64_t> left_out;
  for (const std::string& name : without) left_out.insert(folder_index(folders, name, "without"));
  std::vector<std::optional<std::string>> class_name(
      folders.size());  // of each folder that is kept
  std::vector<std::int64_t> order;
  for (const std::string& name : sorted ? folders : keep) {
    const std::int64_t folder = folder_index(folders, name, "classes");
    if (left_out.contains(folder)) continue;
    auto& target = class_name[static_cast<std::size_t>(folder)];
    if (target) throw ConfigError("classes", fmt::format("'{}' is listed twice", name));
    target = name;
    order.push_back(folder);
  }
  std::set<std::int64_t> merged;
  for (const auto& [superclass, members] : merge) {
    for (const std::string& member : members) {
      const std::int64_t folder = folder_index(folders, member, "merge." + superclass);
      if (!merged.insert(folder).second) {
        throw ConfigError("merge." + superclass, fmt::format("'{}' is listed twice", member));
      }
      auto& target = class_name[static_cast<std::size_t>(folder)];
      if (!target)
        throw ConfigError("merge." + superclass,
                          fmt::format("'{}' is not among the classes that are kept", member));
      target = superclass;
    }
  }
  ClassMap map;
  for (const std::int64_t folder : order) {
    const std::string& name = *class_name[static_cast<std::size_t>(folder)];
    if (std::find(map.names.begin(), map.names.end(), name) == map.names.end())
      map.names.push_back(name);
  }
  if (sorted) std::sort(map.names.begin(), map.names.end());
  map.class_of_folder.assign(folders.size(), -1);
  for (const std::int64_t folder : order) {
    const auto at = std::find(map.names.begin(), map.names.end(),
                              *class_name[static_cast<std::size_t>(folder)]);
    map.class_of_folder[static_cast<std::size_t>(folder)] = at - map.names.begin();
  }
  if (map.names.size() < 2)
    throw ConfigError(merge.empty() ? "classes" : "merge", "leaves fewer than two classes");
  return map;
}

}  // namespace modeldiff
