#include "app/flat.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <set>

namespace modeldiff {
namespace {

/// The key whose values tell the items of a list apart, if there is one.
const char* telling_key(const Json& list) {
  for (const char* key : {"label", "name", "plugin"}) {
    std::set<std::string> seen;
    bool tells = !list.empty();
    for (const Json& item : list) {
      tells = tells && item.is_object() && item.contains(key) && item.at(key).is_string() &&
              seen.insert(item.at(key).get<std::string>()).second;
    }
    if (tells) return key;
  }
  return nullptr;
}

void collect(const Json& value, const std::string& path,
             std::vector<std::pair<std::string, Json>>& out) {
  if (value.is_object() && !value.empty()) {
    for (const auto& [key, item] : value.items())
      collect(item, path.empty() ? key : path + "." + key, out);
  } else if (value.is_array() && !value.empty()) {
    const char* const telling = telling_key(value);
    for (std::size_t i = 0; i < value.size(); ++i) {
      const std::string name =
          telling ? value[i].at(telling).get<std::string>() : std::to_string(i);
      collect(value[i], fmt::format("{}[{}]", path, name), out);
    }
  } else {
    out.emplace_back(path, value);
  }
}

}  // namespace

std::vector<std::pair<std::string, Json>> flat_values(const Json& value) {
  std::vector<std::pair<std::string, Json>> out;
  if (!value.is_structured() || !value.empty()) collect(value, "", out);
  return out;
}

std::vector<Difference> differences(const Json& a, const Json& b) {
  const Json none(Json::value_t::discarded);
  std::map<std::string, Difference> by_path;
  for (auto& [path, value] : flat_values(a)) by_path[path] = {path, std::move(value), none};
  for (auto& [path, value] : flat_values(b)) {
    const auto [at, is_new] = by_path.try_emplace(path, Difference{path, none, value});
    if (is_new) continue;
    if (at->second.a == value) {
      by_path.erase(at);
    } else {
      at->second.b = std::move(value);
    }
  }
  std::vector<Difference> out;
  for (auto& [path, difference] : by_path) out.push_back(std::move(difference));
  return out;
}

}  // namespace modeldiff
