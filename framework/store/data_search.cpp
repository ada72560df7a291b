#include "store/data_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

namespace fs = std::filesystem;

/// An environment variable; one that is empty counts as unset.
std::string environment(const char* name) {
  const char* const text = std::getenv(name);
  return text ? text : "";
}

}  // namespace

std::vector<fs::path> split_path_list(std::string_view list) {
  std::vector<fs::path> paths;
  for (std::size_t start = 0; start <= list.size();) {
    const std::size_t end = std::min(list.find(':', start), list.size());
    if (end > start) paths.emplace_back(list.substr(start, end - start));
    start = end + 1;
  }
  return paths;
}

fs::path user_data_folder() {
  if (const std::string data = environment("XDG_DATA_HOME"); !data.empty())
    return fs::path(data) / "modeldiff";
  return fs::path(environment("HOME")) / ".local/share/modeldiff";
}

DataSearch DataSearch::from_environment(const fs::path& experiment_folder) {
  std::vector<fs::path> roots = split_path_list(environment("MODELDIFF_DATA"));
  roots.push_back(user_data_folder());
  roots.push_back(experiment_folder);
  return DataSearch(std::move(roots));
}

fs::path DataSearch::resolve(const std::string& name) const {
  std::vector<fs::path> places;
  if (name.starts_with("~/")) {
    places.push_back(fs::path(environment("HOME")) / name.substr(2));
  } else if (fs::path(name).is_absolute()) {
    places.emplace_back(name);
  } else {
    for (const fs::path& root : roots_)
      places.push_back(fs::absolute(root / name).lexically_normal());
  }
  std::string looked_at;
  for (const fs::path& place : places) {
    std::error_code ignored;
    if (!name.empty() && fs::exists(place, ignored)) return place;
    looked_at += fmt::format("\n  {}", place.string());
  }
  throw DataError(fmt::format(
      "data '{}' was not found; looked at{}\n`modeldiff data ls` names what `modeldiff data "
      "fetch NAME` downloads; MODELDIFF_DATA adds folders of your own, with ':' between them",
      name, looked_at));
}

}  // namespace modeldiff
