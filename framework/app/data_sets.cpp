#include "app/data_sets.h"

#include <fmt/format.h>
#include <zlib.h>

#include <memory>

#include "modeldiff/core/error.h"
#include "modeldiff/core/hash.h"

namespace modeldiff {
namespace {

namespace fs = std::filesystem;

/// Where data of this name are; empty: nowhere.
fs::path find_data(const DataSearch& search, const std::string& name) {
  std::error_code ignored;
  for (const fs::path& root : search.roots()) {
    if (fs::exists(root / name, ignored)) return fs::absolute(root / name).lexically_normal();
  }
  return {};
}

DataSet data_set_of(const PluginManifest& plugin, const FieldInfo& field,
                    const DataSearch& search) {
  DataSet set{plugin.name, field.name, field.doc, "", {}, {}, {}};
  if (field.default_value.is_string()) set.name = field.default_value.get<std::string>();
  if (set.name.empty()) return set;
  const Json digests = plugin.traits.value("digests", Json::object());
  for (const auto& [file, digest] : digests.items()) set.digests[file] = digest.get<std::string>();
  set.found = find_data(search, set.name);
  for (const auto& [file, digest] : set.digests) {
    if (!set.found.empty() && plain_or_packed(set.found, file).empty()) set.missing.push_back(file);
  }
  return set;
}

}  // namespace

std::vector<DataSet> data_sets(const PluginRegistry& plugins, const DataSearch& search) {
  std::vector<DataSet> sets;
  for (const PluginManifest* plugin : plugins.plugins()) {
    if (plugin->kind != "datasets") continue;
    for (const FieldInfo& field : plugin->schema.fields) {
      if (field.type == FieldInfo::Type::path && !field.nullable)
        sets.push_back(data_set_of(*plugin, field, search));
    }
  }
  return sets;
}

fs::path plain_or_packed(const fs::path& folder, const std::string& file) {
  std::error_code ignored;
  for (const std::string& name : {file, file + ".gz"}) {
    if (fs::is_regular_file(folder / name, ignored)) return folder / name;
  }
  return {};
}

std::string digest_of_content(const fs::path& file) {
  // gzread passes files through that are not packed.
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> in(::gzopen(file.c_str(), "rb"), ::gzclose);
  if (!in) throw DataError(fmt::format("'{}' cannot be read", file.string()));
  Hasher hasher;
  std::vector<char> buffer(1 << 16);
  int got = 0;
  while ((got = ::gzread(in.get(), buffer.data(), static_cast<unsigned>(buffer.size()))) > 0) {
    hasher.update(buffer.data(), static_cast<std::size_t>(got));
  }
  int error = Z_OK;
  const char* const text = ::gzerror(in.get(), &error);
  if (got < 0 || error != Z_OK)
    throw DataError(fmt::format("'{}' cannot be unpacked: {}", file.string(), text));
  return hasher.hex();
}

}  // namespace modeldiff
