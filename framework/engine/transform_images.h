#pragma once

#include <filesystem>

#include "plugin_host/plugin_registry.h"

namespace modeldiff {

/// What `modeldiff transform` leaves to the worker.
/// @param exported a file of write_exported()
/// @param images   a safetensors file with `images` [n, C, H, W] uint8
/// @param out      a new file of the same form
/// @throws PluginError when there is no such proposer or it changes the shape or leaves [0, 1];
/// DataError on the files
void transform_images(const std::filesystem::path& exported, const std::filesystem::path& images,
                      const std::filesystem::path& out, PluginRegistry& plugins);

}  // namespace modeldiff
