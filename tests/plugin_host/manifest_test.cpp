#include "plugin_host/manifest.h"

#include <doctest/doctest.h>
#include <elf.h>

#include <cstring>

#include "modeldiff/core/error.h"
#include "modeldiff/core/plugin.h"
#include "modeldiff/core/random.h"
#include "store/file_io.h"
#include "store/temporary_folder.h"
#include "store/thrown_text.h"

using namespace modeldiff;

namespace {

namespace fs = std::filesystem;

const fs::path kLibraries = fs::path(MODELDIFF_BUILD_DIR) / "tests/plugin_host";

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string library(const std::string& name) { return read_text(kLibraries / name); }

/// The library with `value` written at `offset`.
template <typename T>
std::string with(std::string bytes, std::size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
  return bytes;
}

Elf64_Ehdr header_of(const std::string& bytes) {
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  return header;
}

/// Where the entry of the manifest's section stands in the table of sections.
std::size_t entry_of_manifest(const std::string& bytes) {
  const Elf64_Ehdr header = header_of(bytes);
  const auto* const section = find_elf_section(bytes_of(bytes), kManifestSection, "x.so").data();
  const auto offset = static_cast<std::uint64_t>(section - bytes_of(bytes).data());
  for (std::size_t i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr entry;
    std::memcpy(&entry, bytes.data() + header.e_shoff + i * sizeof entry, sizeof entry);
    if (entry.sh_offset == offset && entry.sh_type == SHT_PROGBITS)
      return header.e_shoff + i * sizeof entry;
  }
  return 0;
}

const char* const kManifest =
    R"({"abi_tag":"t","kind":"models","name":"mlp","version":"1","summary":"s","schema":{"name":"mlp","fields":[]}})";

std::string edited(const std::string& old_part, const std::string& new_part) {
  std::string text = kManifest;
  return text.replace(text.find(old_part), old_part.size(), new_part);
}

}  // namespace

TEST_CASE("a manifest is read from the file, and nothing of the library runs") {
  const PluginManifest manifest = read_manifest(kLibraries / "usable/good.so");
  CHECK(manifest.file == kLibraries / "usable/good.so");
  CHECK(manifest.abi_tag == "sdk=1;torch=2.0;asserts=0");
  CHECK(manifest.kind == "attributors");
  CHECK(manifest.name == "good");
  CHECK(manifest.version == "1.2");
  CHECK(manifest.summary == "A plugin of the tests");
  CHECK(manifest.traits == Json{{"queries", "none"}});
  REQUIRE(manifest.schema.find("size"));
  CHECK(manifest.schema.find("size")->default_value == 3);
  // Libraries that cannot be loaded have one too.
  CHECK(read_manifest(kLibraries / "lying/missing_function.so").name == "missing_function");
}

TEST_CASE("the linker's build id is found") {
  const std::string id = read_build_id(bytes_of(library("usable/good.so")), "x.so");
  CHECK(id.size() == 40);
  CHECK(id.find_first_not_of("0123456789abcdef") == std::string::npos);
  CHECK(id != read_build_id(bytes_of(library("unusable/other_tag.so")), "x.so"));
}

TEST_CASE("a library without a manifest is no plugin") {
  CHECK_FALSE(find_manifest(kLibraries / "usable/no_manifest.so"));
  CHECK(thrown_text<PluginError>([] { read_manifest(kLibraries / "usable/no_manifest.so"); }) ==
        "'" + (kLibraries / "usable/no_manifest.so").string() +
            "' is not a plugin: it has no section '.modeldiff'; modeldiff_add_plugin() makes one");
  CHECK_THROWS_AS(read_manifest("/nowhere/x.so"), PluginError);
}

TEST_CASE("each way in which a file is no library for this machine is said") {
  const std::string good = library("usable/good.so");
  const Elf64_Ehdr header = header_of(good);
  const std::size_t entry = entry_of_manifest(good);
  REQUIRE(entry > 0);
  const std::string size = std::to_string(good.size());
  struct Case {
    std::string bytes;
    std::string expected;
  };
  const std::vector<Case> cases{
      {"", "expected an ELF file, found 0 bytes of something else"},
      {"/* GNU ld script */", "expected an ELF file, found 19 bytes of something else"},
      {good.substr(0, 63), "expected an ELF file, found 63 bytes of something else"},
      {with(good, EI_CLASS, char{ELFCLASS32}),
       "expected 64 bits, little endian, found another form of ELF"},
      {with(good, EI_DATA, char{ELFDATA2MSB}),
       "expected 64 bits, little endian, found another form of ELF"},
      {with(good, offsetof(Elf64_Ehdr, e_machine), Elf64_Half{EM_S390}), ", found 22"},
      {with(good, offsetof(Elf64_Ehdr, e_type), Elf64_Half{ET_REL}),
       "expected a shared object (3), found type 1"},
      {with(good, offsetof(Elf64_Ehdr, e_shentsize), Elf64_Half{40}),
       "expected entries of 64 bytes in its table of sections, found 40"},
      {good.substr(0, good.size() - 1), "was it copied in full?"},
      {good.substr(0, good.size() / 2), "was it copied in full?"},
      {with(good, offsetof(Elf64_Ehdr, e_shoff), ~Elf64_Off{0}), "was it copied in full?"},
      {with(good, offsetof(Elf64_Ehdr, e_shnum), Elf64_Half{0xffff}), "was it copied in full?"},
      {with(good, offsetof(Elf64_Ehdr, e_shstrndx), header.e_shnum), "its sections have no names"},
      {with(good, entry + offsetof(Elf64_Shdr, sh_offset), Elf64_Off{good.size()}),
       "its section must lie within its " + size + " bytes"},
      {with(good, entry + offsetof(Elf64_Shdr, sh_size), ~Elf64_Xword{0}),
       "its section must lie within its " + size + " bytes"},
      {with(good, entry + offsetof(Elf64_Shdr, sh_type), Elf64_Word{SHT_NOBITS}),
       "its section must lie within its " + size + " bytes"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.expected);
    const std::string text = thrown_text<PluginError>(
        [&] { find_elf_section(bytes_of(c.bytes), kManifestSection, "x.so"); });
    CAPTURE(text);
    CHECK(text.starts_with("'x.so' is not a library that can be loaded here: "));
    CHECK(text.find(c.expected) != std::string::npos);
  }
}

TEST_CASE("whatever bytes a library has, its section lies within it or it is refused") {
  const std::string good = library("usable/good.so");
  const Elf64_Ehdr header = header_of(good);
  RandomStream random(3);
  int found = 0, refused = 0;
  for (int trial = 0; trial < 20'000; ++trial) {
    std::string bytes =
        good.substr(0, random.below(8) == 0 ? random.below(good.size()) : good.size());
    for (std::uint64_t n = random.below(4); n > 0; --n) {
      const std::size_t at =
          random.below(2) ? random.below(64) : header.e_shoff + random.below(header.e_shnum * 64);
      if (at < bytes.size()) bytes[at] = static_cast<char>(random.below(3) ? random() : 0xff);
    }
    const std::vector<char> exact(bytes.begin(),
                                  bytes.end());  // so that a sanitizer sees what is read beyond
    const auto file = std::as_bytes(std::span(exact));
    try {
      const auto section = find_elf_section(file, kManifestSection, "x.so");
      read_build_id(file, "x.so");
      if (!section.empty()) {
        REQUIRE(section.data() >= file.data());
        REQUIRE(section.data() + section.size() <= file.data() + file.size());
      }
      ++found;
    } catch (const PluginError&) {
      ++refused;
    }
  }
  CHECK(found > 1000);
  CHECK(refused > 1000);
}

TEST_CASE("each way in which a manifest is malformed is said, with the file") {
  REQUIRE(parse_manifest(kManifest, "x.so").name == "mlp");
  CHECK(parse_manifest(std::string(kManifest) + '\0', "x.so").name == "mlp");
  std::string deep = R"({"abi_tag":)";
  for (int i = 0; i < 100'000; ++i) deep += "[";
  struct Case {
    std::string text;
    std::string expected;
  };
  const std::vector<Case> cases{
      {"", "must be a JSON object"},
      {"[]", "must be a JSON object"},
      {std::string(kManifest).substr(0, 50), "must be a JSON object"},
      {deep, "must be a JSON object"},
      {deep + std::string(100'000, ']') + "}", "must be a JSON object"},
      {edited("\"abi_tag\":\"t\",", ""), "must have the text 'abi_tag'"},
      {edited("\"1\"", "1"), "must have the text 'version'"},
      {edited("\"mlp\",\"version\"", "\"\",\"version\""), "has no name"},
      {edited("models", "optimizers"),
       "names the kind 'optimizers'; the kinds are datasets, models, algorithms, attributors, "
       "proposers, evaluations"},
      {edited("\"schema\":", "\"schemas\":"), "must have the object 'schema'"},
      {edited("\"fields\":[]", "\"fields\":[{}]"), "holds no schema of this version: "},
      {edited("\"fields\":[]", "\"fields\":7"), "holds no schema of this version: "},
      {edited("\"summary\"", "\"traits\":[],\"summary\""), "must have an object as 'traits'"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.expected);
    const std::string text = thrown_text<PluginError>([&] { parse_manifest(c.text, "x.so"); });
    CHECK(text.starts_with("the manifest of 'x.so' " + c.expected));
  }
}

TEST_CASE("the schema of a plugin for another program is not read") {
  const std::string text = edited("\"fields\":[]", "\"fields\":[{\"type\":\"colour\"}]");
  CHECK_THROWS_AS(parse_manifest(text, "x.so", "t"), PluginError);
  CHECK(parse_manifest(text, "x.so", "another").abi_tag == "t");
}
