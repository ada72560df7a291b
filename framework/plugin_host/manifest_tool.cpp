// modeldiff-manifest <library> [<output>]: the manifest of a plugin that was just linked, as JSON,
// to the output or to standard output. It loads the library, so that a plugin that could not be
// loaded later fails to build.
#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "modeldiff/core/error.h"
#include "modeldiff/core/plugin.h"
#include "plugin_host/manifest.h"
#include "store/file_io.h"

namespace modeldiff {
namespace {

const PluginInfo& load(const std::filesystem::path& file) {
  // Closed by the end of the process: `schema` and what it gives live in the library.
  void* const library = ::dlopen(std::filesystem::absolute(file).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) throw PluginError(fmt::format("cannot load the plugin: {}", ::dlerror()));
  using Entry = const PluginInfo*();
  auto* const entry = reinterpret_cast<Entry*>(::dlsym(library, kPluginSymbol));
  const PluginInfo* const info = entry ? entry() : nullptr;
  if (!info) {
    throw PluginError(fmt::format(
        "'{}' is not a plugin: it must end with MODELDIFF_PLUGIN(...), which exports '{}'",
        file.string(), kPluginSymbol));
  }
  return *info;
}

std::string manifest_of(const std::filesystem::path& file) {
  const PluginInfo& info = load(file);
  const MappedFile library(file);
  Json traits = Json::parse(info.traits, nullptr, /*allow_exceptions=*/false);
  if (!traits.is_object()) {
    throw PluginError(fmt::format("the traits of plugin '{}' must be a JSON object, found {}",
                                  info.name, info.traits));
  }
  const Json manifest = {
      {"abi_tag", info.abi_tag},
      {"kind", info.kind},
      {"name", info.name},
      {"version", info.version},
      {"summary", info.summary},
      {"traits", std::move(traits)},
      {"schema", to_json(info.schema())},
      {"build_id", read_build_id({library.data(), library.size()}, file.string())}};
  const std::string text = manifest.dump(1) + '\n';
  parse_manifest(text, file);  // What a program will read must be right now.
  return text;
}

}  // namespace
}  // namespace modeldiff

int main(int count, char** arguments) try {
  if (count < 2 || count > 3) {
    std::fputs("usage: modeldiff-manifest LIBRARY [OUTPUT]\n", stderr);
    return 2;
  }
  const std::string text = modeldiff::manifest_of(arguments[1]);
  if (count == 3) {
    modeldiff::write_text_atomically(arguments[2], text);
  } else {
    std::fputs(text.c_str(), stdout);
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "modeldiff-manifest: %s\n", error.what());
  return 1;
}
