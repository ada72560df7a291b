#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "plugin_host/plugin_registry.h"
#include "store/data_search.h"

namespace modeldiff {

/// Data that a plugin reads from a file or folder.
struct DataSet {
  std::string plugin;
  /// The parameter that names the data, and what it must hold, as the plugin says.
  std::string parameter, layout;
  /// What is looked for when the experiment names nothing else; empty: the experiment must name it.
  std::string name;
  /// Files that the plugin knows, with the SHA-256 of their unpacked content; the files may be
  /// there as FILE.gz. Empty: the data are one file, or a folder of any files.
  std::map<std::string, std::string> digests;
  /// Where it is; empty: nowhere.
  std::filesystem::path found;
  /// Files that are not there, though the folder is.
  std::vector<std::string> missing;
};

/// Of all data set plugins that read files, sorted by name.
std::vector<DataSet> data_sets(const PluginRegistry& plugins, const DataSearch& search);

/// FILE or FILE.gz in a folder; empty when neither is there.
std::filesystem::path plain_or_packed(const std::filesystem::path& folder, const std::string& file);

/// SHA-256 of a file's content, unpacked when it is a gzip file.
/// @throws DataError when it cannot be read or is no whole gzip file
std::string digest_of_content(const std::filesystem::path& file);

}  // namespace modeldiff
