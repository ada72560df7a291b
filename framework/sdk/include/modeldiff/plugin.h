#pragma once

#include <torch/version.h>

#include <memory>

#include "modeldiff/core/plugin.h"
#include "modeldiff/core/sdk_digest.h"

/// What a plugin library ends with:
///   MODELDIFF_PLUGIN("attributors", "trak", "1.0", "Scores from projected gradients",
///                    TrakAttributor, TrakParams, R"({"runs": "all"})");
/// TrakParams has a static schema(); TrakAttributor is made from a TrakParams.

#define MODELDIFF_TEXT_(x) #x
#define MODELDIFF_TEXT(x) MODELDIFF_TEXT_(x)

#ifdef NDEBUG
#define MODELDIFF_ASSERTS_ "0"
#else
#define MODELDIFF_ASSERTS_ "1"
#endif
#if defined(__SANITIZE_ADDRESS__)
#define MODELDIFF_SANITIZER_ "address"
#else
#define MODELDIFF_SANITIZER_ "none"
#endif

/// Everything that must be equal in the program and a plugin for LibTorch's and our C++ types to
/// cross between them; the digest is that of all headers of the SDK.
// clang-format off
#define MODELDIFF_ABI_TAG                                           \
  "sdk=" MODELDIFF_TEXT(MODELDIFF_SDK_VERSION)                      \
  ";torch=" TORCH_VERSION                                           \
  ";cxx11abi=" MODELDIFF_TEXT(_GLIBCXX_USE_CXX11_ABI)               \
  ";cxx=" MODELDIFF_TEXT(__cplusplus)                               \
  ";compiler=gcc-" MODELDIFF_TEXT(__GNUC__)                         \
  ";asserts=" MODELDIFF_ASSERTS_                                    \
  ";sanitizer=" MODELDIFF_SANITIZER_                                \
  ";headers=" MODELDIFF_SDK_DIGEST
// clang-format on

#define MODELDIFF_PLUGIN(kind, name, version, summary, Class, Params, traits)       \
  extern "C" MODELDIFF_API const ::modeldiff::PluginInfo* modeldiff_plugin_v1();    \
  const ::modeldiff::PluginInfo* modeldiff_plugin_v1() {                            \
    static const ::modeldiff::PluginInfo info{                                      \
        MODELDIFF_ABI_TAG,                                                          \
        kind,                                                                       \
        name,                                                                       \
        version,                                                                    \
        summary,                                                                    \
        [] { return Params::schema().info(); },                                     \
        traits,                                                                     \
        [](const ::modeldiff::Json& json) -> std::unique_ptr<::modeldiff::Plugin> { \
          return std::make_unique<Class>(Params::schema().read(json));              \
        }};                                                                         \
    return &info;                                                                   \
  }
