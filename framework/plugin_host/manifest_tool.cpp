#include <dlfcn.h>

#include <cstdio>
#include <exception>
#include <fstream>

#include "modeldiff/core/plugin.h"
#include "plugin_host/manifest.h"

/// modeldiff-manifest LIBRARY OUTPUT: asks a library that was just linked what it is, and writes the answer as JSON.
int main(int count, char** arguments) {
  using namespace modeldiff;
  if (count != 3) {
    std::fputs("usage: modeldiff-manifest LIBRARY OUTPUT\n", stderr);
    return 2;
  }
  void* library = ::dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    std::fprintf(stderr, "modeldiff-manifest: %s does not load: %s\n", arguments[1], ::dlerror());
    return 1;
  }
  const auto symbol = reinterpret_cast<const PluginInfo* (*)()>(::dlsym(library, kPluginSymbol));
  if (!symbol) {
    std::fprintf(stderr, "modeldiff-manifest: %s has no symbol %s; does it end with MODELDIFF_PLUGIN(...)?\n", arguments[1], kPluginSymbol);
    return 1;
  }
  try {
    const PluginInfo& info = *symbol();
    const Json manifest{{"abi_tag", info.abi_tag}, {"kind", info.kind},     {"name", info.name},
                        {"version", info.version}, {"summary", info.summary}, {"traits", Json::parse(info.traits)},
                        {"schema", to_json(info.schema())}};
    // What the program will make of it must hold now, not when a user meets it.
    parse_manifest(manifest.dump(), arguments[1]);
    std::ofstream out(arguments[2], std::ios::binary | std::ios::trunc);
    out << manifest.dump();
    out.close();
    return out ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "modeldiff-manifest: %s: %s\n", arguments[1], e.what());
    return 1;
  }
}
