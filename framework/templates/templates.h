#pragma once

#include <span>
#include <string_view>

namespace modeldiff {

/// A file of a new plugin. In its text and name stand `my_plugin` and `MyPlugin` for the plugin's
/// name, `my_kind` for its kind and `my_prefix` for where modeldiff is installed.
struct TemplateFile {
  /// A kind of plugin, or "common" for all of them.
  std::string_view folder;
  std::string_view name;
  std::string_view text;
};

std::span<const TemplateFile> template_files();

}  // namespace modeldiff
