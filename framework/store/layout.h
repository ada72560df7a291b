#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

/// Names within a store's folder; for the store's own files only.
namespace modeldiff::layout {

inline constexpr const char* kManifest = "manifest.json";
inline constexpr int kFormat = 1;

/// Whether a text may name a file of an artifact or a run: letters, digits, '.', '_', '-', and no
/// '.' first.
bool is_plain_name(std::string_view name);

/// "<host>.<pid>.<start>", the same for no two processes that can write to one store. The host is
/// followed by the number of its process namespace, as containers often share their host's name,
/// and <start> is when the process began, as numbers of processes come again.
const std::string& process_name();
/// This machine's part of the name.
std::string host_name();

/// A name in tmp/ that no one has used: process_name() and a number.
std::string temporary_name();

enum class Owner { alive, dead, foreign };
/// Whose the folder of this name in tmp/ is; one that is not named so is foreign.
Owner owner_of(const std::string& temporary_name);

/// Bytes of all files below a folder.
std::uint64_t folder_bytes(const std::filesystem::path& folder);

}  // namespace modeldiff::layout
