#include "app/results.h"

#include <fmt/format.h>

#include <algorithm>

#include "modeldiff/core/error.h"
#include "store/file_io.h"

namespace modeldiff {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kShortestStart = 4;
constexpr std::size_t kListedArtifacts = 20;

}  // namespace

bool is_result(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path / "result.json", ignored) ||
         (path.filename() == "result.json" && fs::is_regular_file(path, ignored));
}

fs::path result_file(const fs::path& path) {
  return path.filename() == "result.json" ? path : path / "result.json";
}

Json read_result(const fs::path& path) {
  const fs::path file = result_file(path);
  Json result = Json::parse(read_text(file), nullptr, /*allow_exceptions=*/false);
  if (!result.is_object() || !result.contains("experiment") || !result.contains("description")) {
    throw DataError(fmt::format(
        "'{}' is no result of modeldiff: it must be a JSON object with 'experiment' and "
        "'description'",
        file.string()));
  }
  return result;
}

bool is_key_start(const std::string& text) {
  return text.size() >= kShortestStart && text.size() <= 64 &&
         text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

Artifact find_artifact(const Store& store, const std::string& start) {
  std::vector<Key> found;
  for (const Key& key : store.keys()) {
    if (key.text().starts_with(start)) found.push_back(key);
  }
  if (found.size() == 1) return store.open(found.front());
  if (found.empty()) {
    throw DataError(fmt::format(
        "no artifact's key begins with '{}' in the store '{}'; `modeldiff store ls` lists all",
        start, store.root().string()));
  }
  std::string text =
      fmt::format("'{}' is the start of {} keys; give more digits:", start, found.size());
  for (std::size_t i = 0; i < std::min(found.size(), kListedArtifacts); ++i) {
    try {
      const Artifact artifact = store.open(found[i]);
      text += fmt::format("\n  {}  {:<14}  {}", found[i].text().substr(0, 16), artifact.kind(),
                          label_of(artifact));
    } catch (const DataError&) {
      text += fmt::format("\n  {}  corrupt", found[i].text().substr(0, 16));
    }
  }
  if (found.size() > kListedArtifacts)
    text += fmt::format("\n  and {} more", found.size() - kListedArtifacts);
  throw DataError(text);
}

std::string label_of(const Artifact& artifact) { return artifact.description().value("label", ""); }

std::map<std::string, std::string> experiments_by_key(const Store& store) {
  std::map<std::string, std::string> out;
  std::error_code error;
  for (fs::directory_iterator at(store.root() / "runs", error), end; !error && at != end;
       at.increment(error)) {
    if (!fs::exists(at->path() / "plan.json")) continue;
    const Json plan =
        Json::parse(read_text(at->path() / "plan.json"), nullptr, /*allow_exceptions=*/false);
    if (!plan.is_object() || !plan.contains("cells")) continue;
    const auto name = plan.value("experiment", at->path().filename().string());
    for (const Json& cell : plan.at("cells")) {
      std::string& names = out[cell.value("key", "")];
      names += (names.empty() ? "" : ", ") + name;
    }
  }
  return out;
}

}  // namespace modeldiff
