#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

#include "modeldiff/core/error.h"
#include "modeldiff/model.h"

namespace modeldiff {

/// For architectures of convolutions.
/// @param least pixels along each axis
/// @param smaller what takes smaller images, for the error; nothing when there is none
/// @throws ConfigError for a table or an image that is too small, naming a model that takes it
inline void require_images(const ModelSpec& spec, const std::string& plugin, std::int64_t least,
                           const std::string& smaller) {
  if (spec.input_shape.size() != 3) {
    throw ConfigError("plugin",
                      fmt::format("'{}' takes images, but the data are a table; 'mlp' and 'linear' "
                                  "take tables",
                                  plugin));
  }
  const std::int64_t height = spec.input_shape[1], width = spec.input_shape[2];
  if (height >= least && width >= least) return;
  throw ConfigError(
      "plugin",
      fmt::format("'{0}' takes images of at least {1} x {1} pixels, these have {2} x {3}{4}",
                  plugin, least, height, width,
                  smaller.empty() ? "" : fmt::format("; {} smaller ones", smaller)));
}

}  // namespace modeldiff
