#include "plugin_host/manifest.h"

#include <fmt/format.h>

#include <cstring>
#include <fstream>

#include "modeldiff/core/plugin.h"
#include "store/file_io.h"

namespace modeldiff {
namespace {

std::span<const std::byte> bytes_of(const MappedFile& file) { return {file.data(), file.size()}; }

bool is_elf(const MappedFile& file) { return file.size() > 4 && std::memcmp(file.data(), "\x7f" "ELF", 4) == 0; }

}  // namespace

PluginManifest parse_manifest(std::string_view text, const std::filesystem::path& file) {
  const Json json = Json::parse(text, nullptr, false);
  try {
    PluginManifest out;
    out.file = file;
    out.abi_tag = json.at("abi_tag").get<std::string>();
    out.kind = json.at("kind").get<std::string>();
    out.name = json.at("name").get<std::string>();
    out.version = json.at("version").get<std::string>();
    out.summary = json.at("summary").get<std::string>();
    out.traits = json.at("traits");
    if (!out.traits.is_object()) throw DataError("its traits are no object");
    out.schema = schema_from_json(json.at("schema"));
    return out;
  } catch (const Json::exception& e) {
    throw PluginError(fmt::format("the manifest of plugin '{}' cannot be read: {}", file.string(), e.what()));
  } catch (const DataError& e) {
    throw PluginError(fmt::format("the manifest of plugin '{}' cannot be read: {}", file.string(), e.what()));
  }
}

PluginManifest read_manifest(const std::filesystem::path& file) {
  const MappedFile mapped(file);
  const std::span<const std::byte> section = find_elf_section(bytes_of(mapped), kManifestSection, file.string());
  if (section.empty()) {
    throw PluginError(fmt::format("'{}' has no manifest; build it with modeldiff_add_plugin()", file.string()));
  }
  PluginManifest out = parse_manifest({reinterpret_cast<const char*>(section.data()), section.size()}, file);
  out.build_id = read_build_id(bytes_of(mapped), file.string());
  return out;
}

bool has_manifest(const std::filesystem::path& file) {
  try {
    const MappedFile mapped(file);
    return is_elf(mapped) && !find_elf_section(bytes_of(mapped), kManifestSection, file.string()).empty();
  } catch (const Error&) {
    return false;
  }
}

}  // namespace modeldiff
