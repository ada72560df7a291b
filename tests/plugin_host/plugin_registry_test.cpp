#include "plugin_host/plugin_registry.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <fstream>

#include "modeldiff/core/error.h"
#include "plugin_host/abi_tag.h"
#include "store/temporary_folder.h"
#include "store/thrown_text.h"

using namespace modeldiff;

namespace {

namespace fs = std::filesystem;

const fs::path kTestPlugins = fs::path(MODELDIFF_BUILD_DIR) / "tests/plugin_host";
const std::string kHostTag = "sdk=1;torch=2.0;asserts=0";

std::string path_of(const std::string& library) {
  return fs::canonical(kTestPlugins / library).string();
}

std::string title_of(const std::string& name, const std::string& library) {
  return "plugin '" + name + "' of kind 'attributors', version 1.2 ('" + path_of(library) + "')";
}

const UnusablePlugin* unusable(const PluginRegistry& registry, const std::string& file_name) {
  for (const UnusablePlugin& plugin : registry.unusable()) {
    if (plugin.file.filename() == file_name) return &plugin;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("plugins are found, listed, loaded and make what they are asked for") {
  PluginRegistry registry({kTestPlugins / "usable"}, kHostTag);
  CHECK(registry.unusable().empty());
  REQUIRE(registry.plugins().size() == 1);
  CHECK(registry.plugins()[0]->name == "good");
  CHECK(registry.names("attributors") == std::vector<std::string>{"good"});
  CHECK(registry.names("models").empty());
  REQUIRE(registry.find_schema("attributors", "good"));
  CHECK(registry.find_schema("attributors", "good")->name == "test");
  CHECK(registry.find_schema("models", "good") == nullptr);
  const PluginInfo& info = registry.load("attributors", "good");
  CHECK(std::string(info.name) == "good");
  CHECK(&registry.load("attributors", "good") == &info);
  CHECK(registry.create("attributors", "good", {{"size", 3}}) != nullptr);
}

TEST_CASE("a plugin that is not there is answered with a near name and the folders") {
  PluginRegistry registry({kTestPlugins / "usable"}, kHostTag);
  CHECK(thrown_text<PluginError>([&] { registry.load("attributors", "goood"); }) ==
        "there is no plugin 'goood' of kind 'attributors'; did you mean 'good'?\nplugins were "
        "looked for in\n  " +
            (kTestPlugins / "usable").string());
  CHECK(thrown_text<PluginError>([] { PluginRegistry({}, kHostTag).load("models", "mlp"); }) ==
        "there is no plugin 'mlp' of kind 'models'\nplugins were looked for in no folder: none of "
        "those that are "
        "searched exists");
}

TEST_CASE(
    "a plugin built for another program is listed, and refused with both tags when it is asked "
    "for") {
  PluginRegistry registry({kTestPlugins / "unusable"}, kHostTag);
  const UnusablePlugin* const other = unusable(registry, "other_tag.so");
  REQUIRE(other);
  CHECK(other->name == "other_tag");
  CHECK(other->reason ==
        "it was not built for this program and this LibTorch\n"
        "  plugin   sdk=1;torch=1.9;asserts=0;sanitizer=address\n"
        "  program  sdk=1;torch=2.0;asserts=0\n"
        "they differ in torch, sanitizer; build the plugin again against this installation");
  CHECK(registry.names("attributors").empty());
  const std::string refusal = "plugin 'other_tag' of kind 'attributors' ('" +
                              path_of("unusable/other_tag.so") +
                              "') cannot be used: " + other->reason;
  CHECK(thrown_text<PluginError>([&] { registry.find_schema("attributors", "other_tag"); }) ==
        refusal);
  CHECK(thrown_text<PluginError>([&] { registry.load("attributors", "other_tag"); }) == refusal);
}

TEST_CASE(
    "libraries whose manifest is malformed are listed with the reason, and said when a plugin is "
    "missed") {
  PluginRegistry registry({kTestPlugins / "unusable"}, kHostTag);
  CHECK(registry.unusable().size() == 3);
  REQUIRE(unusable(registry, "bad_json.so"));
  CHECK(unusable(registry, "bad_json.so")->reason ==
        "the manifest of '" + path_of("unusable/bad_json.so") + "' must be a JSON object");
  REQUIRE(unusable(registry, "bad_schema.so"));
  CHECK(unusable(registry, "bad_schema.so")->reason.find("unknown parameter type 'colour'") !=
        std::string::npos);
  const std::string text = thrown_text<PluginError>([&] { registry.load("models", "bad_schema"); });
  CHECK(text.find("could not be read: the manifest of '" + path_of("unusable/bad_schema.so") +
                  "'") != std::string::npos);
}

TEST_CASE(
    "two libraries with one kind and name are an error that names both; one found twice is not") {
  CHECK(thrown_text<PluginError>([] {
          PluginRegistry({kTestPlugins / "usable", kTestPlugins / "twice"}, kHostTag);
        }) == "two libraries are the plugin 'good' of kind 'attributors':\n  " +
                  path_of("usable/good.so") + "\n  " + path_of("twice/good_again.so") +
                  "\nremove one, or leave its folder out of the search");
  const TemporaryFolder folder;
  fs::create_symlink(kTestPlugins / "usable/good.so", folder / "linked.so");
  CHECK(PluginRegistry({kTestPlugins / "usable", folder.path(), kTestPlugins / "usable"}, kHostTag)
            .plugins()
            .size() == 1);
}

TEST_CASE("of two libraries with one name, the one that cannot be used does not stand in the way") {
  // For a host with the other tag, `good` is unusable twice and `other_tag` is found.
  PluginRegistry registry(
      {kTestPlugins / "usable", kTestPlugins / "twice", kTestPlugins / "unusable"},
      "sdk=1;torch=1.9;asserts=0;sanitizer=address");
  CHECK(registry.names("attributors") == std::vector<std::string>{"other_tag"});
  CHECK(unusable(registry, "good.so"));
  CHECK(unusable(registry, "good_again.so"));
}

TEST_CASE("files that are no libraries are listed as such") {
  const TemporaryFolder folder;
  fs::create_directories(folder / "deep/er");
  std::ofstream(folder / "deep/er/script.so") << "INPUT(libx.so.1)";
  std::ofstream(folder / "notes.txt") << "no library";
  const PluginRegistry registry({folder.path()}, kHostTag);
  REQUIRE(registry.unusable().size() == 1);
  CHECK(registry.unusable()[0].reason.find(
            "expected an ELF file, found 16 bytes of something else") != std::string::npos);
}

TEST_CASE("a library that does not load, or is not what its manifest says, is refused by name") {
  PluginRegistry registry({kTestPlugins / "lying"}, kHostTag);
  CHECK(registry.names("attributors") ==
        std::vector<std::string>{"lying_name", "lying_tag", "missing_function", "no_symbol"});
  const auto text = [&](const std::string& name) {
    return thrown_text<PluginError>([&] { registry.load("attributors", name); });
  };
  CHECK(text("missing_function")
            .starts_with(title_of("missing_function", "lying/missing_function.so") +
                         " cannot be loaded: "));
  // The system's own text: which symbol is missing.
  CHECK(text("missing_function").find("undefined symbol: _Z24function_that_is_nowherev") !=
        std::string::npos);
  CHECK(text("no_symbol").find("undefined symbol: modeldiff_plugin_v1") != std::string::npos);
  CHECK(text("lying_tag") ==
        title_of("lying_tag", "lying/lying_tag.so") + " cannot be used: " +
            abi_mismatch_text("sdk=1;torch=1.9;asserts=0;sanitizer=address", kHostTag));
  CHECK(text("lying_name") ==
        title_of("lying_name", "lying/lying_name.so") +
            " is not what its manifest says: the library calls itself 'someone_else' of kind "
            "'attributors', version 1.2");
}

TEST_CASE("what a factory throws becomes an error with the plugin's name, version and file") {
  PluginRegistry registry({kTestPlugins / "usable"}, kHostTag);
  const auto create = [&](int size) { registry.create("attributors", "good", {{"size", size}}); };
  const std::string prefix = title_of("good", "usable/good.so") + " could not be made: ";
  CHECK(thrown_text<PluginError>([&] { create(11); }) == prefix + "the size must not be 11");
  CHECK(thrown_text<PluginError>([&] { create(12); }) ==
        prefix + "it threw something that is no std::exception");
  CHECK(thrown_text<PluginError>([&] { create(15); }) == prefix + "its factory gave nothing");
  CHECK(thrown_text<ConfigError>([&] { create(13); }) == "size: must not be 13");
  CHECK(thrown_text<Interrupted>([&] { create(14); }) == "stopped");
}

TEST_CASE("the keys in which two tags differ are named once, in order") {
  CHECK(differing_abi_keys("a=1;b=2;c=3", "a=1;b=3;d=4") ==
        std::vector<std::string>{"b", "c", "d"});
  CHECK(differing_abi_keys("a=1", "a=1").empty());
  CHECK(differing_abi_keys("odd", "a=1") == std::vector<std::string>{"odd", "a"});
  CHECK(build_of_results("sdk=1;torch=2;headers=4f;asserts=0") == "sdk=1;torch=2;asserts=0");
}

TEST_CASE(
    "plugin folders are those of the command line, of MODELDIFF_PLUGIN_PATH and of the user, which "
    "exist") {
  const TemporaryFolder folder;
  for (const char* name : {"a", "b", "data/modeldiff/plugins"})
    fs::create_directories(folder / name);
  ::setenv("MODELDIFF_PLUGIN_PATH",
           ((folder / "b").string() + ":" + (folder / "absent").string()).c_str(), 1);
  ::setenv("XDG_DATA_HOME", (folder / "data").c_str(), 1);
  std::vector<fs::path> folders = plugin_folders({folder / "a", folder / "b"});
  REQUIRE(folders.size() >= 3);
  CHECK(folders[0] == fs::canonical(folder / "a"));
  CHECK(folders[1] == fs::canonical(folder / "b"));
  CHECK(std::count(folders.begin(), folders.end(), fs::canonical(folder / "b")) == 1);
  CHECK(std::count(folders.begin(), folders.end(),
                   fs::canonical(folder / "data/modeldiff/plugins")) == 1);
  CHECK(thrown_text<ConfigError>([&] { plugin_folders({folder / "absent"}); }) ==
        "--plugin-path: there is no folder '" + (folder / "absent").string() + "'");
  ::unsetenv("MODELDIFF_PLUGIN_PATH");
  ::unsetenv("XDG_DATA_HOME");
}
