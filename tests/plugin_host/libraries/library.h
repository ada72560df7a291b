#pragma once

#include <memory>
#include <stdexcept>

#include "modeldiff/core/plugin.h"

/// Small plugin libraries for the tests of the host, free of torch. Their manifest is a section
/// that the compiler writes, so that a manifest may also be wrong.
#define TEST_HOST_TAG "sdk=1;torch=2.0;asserts=0"
#define TEST_OTHER_TAG "sdk=1;torch=1.9;asserts=0;sanitizer=address"

#define TEST_SECTION(text) \
  __attribute__((section(".modeldiff"), used)) const char test_section[] = text
#define TEST_MANIFEST(tag, kind, name)                                                  \
  TEST_SECTION("{\"abi_tag\":\"" tag "\",\"kind\":\"" kind "\",\"name\":\"" name        \
               "\",\"version\":\"1.2\",\"summary\":\"A plugin of the "                  \
               "tests\",\"traits\":{\"queries\":\"none\"},"                             \
               "\"schema\":{\"name\":\"test\",\"fields\":[{\"name\":\"size\",\"type\":" \
               "\"integer\",\"default\":3}]}}")

#define TEST_PLUGIN(tag, kind, name)                                                              \
  extern "C" MODELDIFF_API const modeldiff::PluginInfo* modeldiff_plugin_v1() {                   \
    static const modeldiff::PluginInfo info{tag,                                                  \
                                            kind,                                                 \
                                            name,                                                 \
                                            "1.2",                                                \
                                            "A plugin of the tests",                              \
                                            [] { return test_library::Params::schema().info(); }, \
                                            "{\"queries\":\"none\"}",                             \
                                            test_library::make};                                  \
    return &info;                                                                                 \
  }

namespace test_library {

struct Params {
  std::int64_t size = 3;

  static modeldiff::Schema<Params> schema() {
    return modeldiff::Schema<Params>("test").field("size", &Params::size, "How large.",
                                                   modeldiff::at_least(1));
  }
};

class Made final : public modeldiff::Plugin {};

/// Sizes above 10 are ways to fail.
inline std::unique_ptr<modeldiff::Plugin> make(const modeldiff::Json& params) {
  switch (Params::schema().read(params).size) {
    case 11:
      throw std::runtime_error("the size must not be 11");
    case 12:
      throw 12;
    case 13:
      throw modeldiff::ConfigError("size", "must not be 13");
    case 14:
      throw modeldiff::Interrupted("stopped");
    case 15:
      return nullptr;
    default:
      return std::make_unique<Made>();
  }
}

}  // namespace test_library
