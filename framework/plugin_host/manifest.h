#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "modeldiff/core/json.h"
#include "modeldiff/core/schema.h"

/// What a plugin library says of itself, read from its file. Nothing of the library runs.
namespace modeldiff {

struct PluginManifest {
  std::filesystem::path file;
  std::string abi_tag;
  std::string kind;
  std::string name;
  std::string version;
  std::string summary;
  /// An object: what the planner must know without loading the library.
  Json traits = Json::object();
  SchemaInfo schema;
  /// The linker's hash of the library, hexadecimal; empty when it was linked without one.
  std::string build_id;
};

/// A section of a 64-bit little-endian ELF file for this machine. An absent section gives no bytes.
/// @param path for error texts
/// @throws PluginError when the file is no such ELF file, or its tables point outside of it
std::span<const std::byte> find_elf_section(std::span<const std::byte> file, std::string_view name,
                                            const std::string& path);

/// "" when there is none. @throws PluginError as find_elf_section
std::string read_build_id(std::span<const std::byte> file, const std::string& path);

/// @param text     a JSON object: abi_tag, kind, name, version, summary, schema; traits and
/// build_id if there are any
/// @param host_tag the schema stays empty when `abi_tag` is another, as another SDK may write it
/// otherwise; "": any
/// @throws PluginError on anything else, naming the file
PluginManifest parse_manifest(std::string_view text, const std::filesystem::path& file,
                              std::string_view host_tag = "");

/// Nothing when the file is a library without a manifest.
/// @throws PluginError when it is no library for this machine, or has a malformed manifest
std::optional<PluginManifest> find_manifest(const std::filesystem::path& file,
                                            std::string_view host_tag = "");

/// @throws PluginError also when there is no manifest
PluginManifest read_manifest(const std::filesystem::path& file, std::string_view host_tag = "");

}  // namespace modeldiff
