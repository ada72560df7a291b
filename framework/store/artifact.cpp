#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "modeldiff/core/error.h"
#include "store/layout.h"
#include "store/store.h"

namespace modeldiff {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const Key& key, const std::string& problem) {
  throw DataError(fmt::format("artifact {} is corrupt: {}", key.brief(), problem));
}

Json parse_json(const std::string& text, const fs::path& path) {
  Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) throw DataError(fmt::format("'{}' is not JSON", path.string()));
  return value;
}

/// A file as its manifest tells it; nothing when it is not told as it must be.
std::optional<ArtifactFile> file_of(const std::string& name, const Json& facts) {
  if (!layout::is_plain_name(name) || !facts.is_object()) return std::nullopt;
  const auto bytes = facts.find("bytes"), sha256 = facts.find("sha256");
  if (bytes == facts.end() || !bytes->is_number_unsigned()) return std::nullopt;
  if (sha256 == facts.end() || !sha256->is_string() || !Key::is_key(sha256->get<std::string>()))
    return std::nullopt;
  return ArtifactFile{name, bytes->get<std::uint64_t>(), sha256->get<std::string>()};
}

}  // namespace

Artifact::Artifact(Key key, fs::path folder) : key_(std::move(key)), folder_(std::move(folder)) {
  const fs::path manifest_path = folder_ / layout::kManifest;
  const std::string text = read_text(manifest_path);
  const Json manifest = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto malformed = [&](const char* what) {
    refuse(key_, fmt::format("'{}' must hold {}", manifest_path.string(), what));
  };
  if (!manifest.is_object()) malformed("a JSON object");
  if (manifest.value("key", Json()) != key_.text()) malformed("its own key");
  if (manifest.value("format", Json()) != layout::kFormat)
    malformed("format 1, the one this version reads");
  const auto description = manifest.find("description"), files = manifest.find("files");
  if (description == manifest.end() || !description->is_object()) malformed("a description");
  if (!description->contains("kind") || !description->at("kind").is_string())
    malformed("a description with its kind");
  if (files == manifest.end() || !files->is_object()) malformed("a table of files");
  description_ = *description;
  kind_ = description_.at("kind").get<std::string>();
  digest_ = modeldiff::sha256(text);
  manifest_bytes_ = text.size();
  for (const auto& [name, facts] : files->items()) {
    const std::optional<ArtifactFile> file = file_of(name, facts);
    if (!file) malformed("a name, bytes and a sha256 for each file");
    files_.push_back(*file);
  }
  for (const ArtifactFile& file : files_) {
    const fs::path path = folder_ / file.name;
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0)
      refuse(key_, fmt::format("'{}': {}", path.string(), std::strerror(errno)));
    if (static_cast<std::uint64_t>(status.st_size) != file.bytes) {
      refuse(key_, fmt::format("'{}' must have {} bytes, found {}", path.string(), file.bytes,
                               status.st_size));
    }
  }
}

std::uint64_t Artifact::bytes() const {
  std::uint64_t total = manifest_bytes_;
  for (const ArtifactFile& file : files_) total += file.bytes;
  return total;
}

void Artifact::compare(const ArtifactFile& file, const std::string& sha256) const {
  if (sha256 == file.sha256) return;
  refuse(key_, fmt::format("'{}' must have the SHA-256 {}, found {}", (folder_ / file.name).string(),
                           file.sha256, sha256));
}

bool Artifact::contains(const std::string& name) const {
  return std::any_of(files_.begin(), files_.end(),
                     [&](const ArtifactFile& file) { return file.name == name; });
}

const ArtifactFile& Artifact::entry(const std::string& name) const {
  const auto at = std::find_if(files_.begin(), files_.end(),
                               [&](const ArtifactFile& file) { return file.name == name; });
  if (at != files_.end()) return *at;
  std::vector<std::string_view> names;
  for (const ArtifactFile& file : files_) names.push_back(file.name);
  throw DataError(fmt::format("artifact {} of kind '{}' has no file '{}'; it has {}", key_.brief(),
                              kind_, name, fmt::join(names, ", ")));
}

fs::path Artifact::file(const std::string& name) const { return folder_ / entry(name).name; }

std::string Artifact::text(const std::string& name) const {
  std::string text = read_text(file(name));
  compare(entry(name), modeldiff::sha256(text));
  return text;
}

Json Artifact::json(const std::string& name) const { return parse_json(text(name), file(name)); }

std::vector<Json> Artifact::json_lines(const std::string& name) const {
  const std::string all = text(name);
  std::vector<Json> lines;
  for (std::size_t start = 0; start < all.size();) {
    const std::size_t end = std::min(all.find('\n', start), all.size());
    lines.push_back(parse_json(all.substr(start, end - start), file(name)));
    start = end + 1;
  }
  return lines;
}

SafetensorsFile Artifact::tensors(const std::string& name) const {
  compare(entry(name), sha256_of_file(file(name)));
  return SafetensorsFile(file(name));
}

void Artifact::verify() const {
  for (const ArtifactFile& file : files_) compare(file, sha256_of_file(folder_ / file.name));
}

}  // namespace modeldiff
