#include "plugin_host/manifest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "modeldiff/core/error.h"
#include "modeldiff/core/plugin.h"
#include "store/file_io.h"

namespace modeldiff {
namespace {

constexpr int kMaxDepth = 64;

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& problem) {
  throw PluginError(fmt::format("the manifest of '{}' {}", file.string(), problem));
}

/// The JSON value; none when the text is not JSON or is nested too deep to be a manifest.
Json parse_bounded(std::string_view text) {
  bool too_deep = false;
  Json value = Json::parse(
      text.begin(), text.end(),
      [&](int depth, Json::parse_event_t, Json&) {
        too_deep = too_deep || depth > kMaxDepth;
        return !too_deep;
      },
      /*allow_exceptions=*/false);
  return too_deep ? Json(Json::value_t::discarded) : value;
}

}  // namespace

PluginManifest parse_manifest(std::string_view text, const std::filesystem::path& file,
                              std::string_view host_tag) {
  // A section may be padded.
  text = text.substr(0, text.find_last_not_of(std::string_view("\0 \n", 3)) + 1);
  const Json json = parse_bounded(text);
  if (!json.is_object()) refuse(file, "must be a JSON object");
  const auto text_of = [&](const char* key) {
    const auto found = json.find(key);
    if (found == json.end() || !found->is_string())
      refuse(file, fmt::format("must have the text '{}'", key));
    return found->get<std::string>();
  };
  PluginManifest manifest;
  manifest.file = file;
  manifest.abi_tag = text_of("abi_tag");
  manifest.kind = text_of("kind");
  manifest.name = text_of("name");
  manifest.version = text_of("version");
  manifest.summary = text_of("summary");
  if (json.contains("build_id")) manifest.build_id = text_of("build_id");
  if (std::find(std::begin(kPluginKinds), std::end(kPluginKinds), manifest.kind) ==
      std::end(kPluginKinds)) {
    refuse(file, fmt::format("names the kind '{}'; the kinds are {}", manifest.kind,
                             fmt::join(kPluginKinds, ", ")));
  }
  if (manifest.name.empty()) refuse(file, "has no name");
  const auto traits = json.find("traits"), schema = json.find("schema");
  if (traits != json.end()) manifest.traits = *traits;
  if (!manifest.traits.is_object()) refuse(file, "must have an object as 'traits'");
  if (schema == json.end() || !schema->is_object()) refuse(file, "must have the object 'schema'");
  if (!host_tag.empty() && manifest.abi_tag != host_tag) return manifest;
  try {
    manifest.schema = schema_from_json(*schema);
  } catch (const DataError& error) {
    refuse(file, fmt::format("holds no schema of this version: {}", error.what()));
  }
  return manifest;
}

std::optional<PluginManifest> find_manifest(const std::filesystem::path& file,
                                            std::string_view host_tag) try {
  const MappedFile library(file);
  const std::span<const std::byte> bytes(library.data(), library.size());
  const std::span<const std::byte> section =
      find_elf_section(bytes, kManifestSection, file.string());
  if (section.empty()) return std::nullopt;
  return parse_manifest({reinterpret_cast<const char*>(section.data()), section.size()}, file,
                        host_tag);
} catch (const DataError& error) {
  throw PluginError(error.what());
}

PluginManifest read_manifest(const std::filesystem::path& file, std::string_view host_tag) {
  std::optional<PluginManifest> manifest = find_manifest(file, host_tag);
  if (!manifest) {
    throw PluginError(fmt::format(
        "'{}' is not a plugin: it has no section '{}'; modeldiff_add_plugin() makes one",
        file.string(), kManifestSection));
  }
  return *std::move(manifest);
}

}  // namespace modeldiff
