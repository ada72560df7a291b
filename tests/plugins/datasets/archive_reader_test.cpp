#include "common/archive_reader.h"

#include <doctest/doctest.h>

#include <map>

#include "fixtures.h"

using namespace modeldiff;
using namespace modeldiff::testing;

namespace {

using Files = std::map<std::string, std::string>;

bool wants_all(const std::string&) { return true; }

Files files_of(const std::string& bytes, const ArchiveLimits& limits = {},
               const WantsFile& wants = wants_all) {
  Files files;
  read_archive(bytes, "a.tar", limits, wants,
               [&](const std::string& name, std::string content) { files[name] = content; });
  return files;
}

std::string error_text(const std::string& bytes, const ArchiveLimits& limits = {}) {
  return error_of<DataError>([&] { files_of(bytes, limits); });
}

}  // namespace

TEST_CASE("a folder, a .tar and a .tar.gz of the same files read alike") {
  const Files expected{
      {"a.txt", ""}, {"sub/b.txt", "two"}, {"sub/c.bin", std::string(3'000'000, 'c')}};
  const TemporaryFolder folder;
  TarBuilder tar;
  tar.folder("./").folder("sub/");
  for (const auto& [name, content] : expected) {
    folder.write("files/" + name, content);
    tar.file("./" + name, content);
  }
  for (const auto& path : {folder.path() / "files", folder.write("x.tar", tar.bytes()),
                           folder.write("x.tar.gz", gzipped(tar.bytes()))}) {
    CAPTURE(path.string());
    Files files;
    read_files(path, {}, wants_all,
               [&](const std::string& name, std::string content) { files[name] = content; });
    CHECK(files == expected);
  }
}

TEST_CASE("files that are not wanted are passed over without their content") {
  const std::string bytes =
      TarBuilder().file("big", std::string(5000, 'b')).file("small", "s").bytes();
  ArchiveLimits limits;
  limits.file_bytes = 10;
  CHECK(files_of(bytes, limits, [](const std::string& name) { return name == "small"; }) ==
        Files{{"small", "s"}});
}

TEST_CASE("an archive whose entries lead out of it, or are no files, is refused") {
  const struct {
    std::string bytes;
    std::string error;
  } cases[] = {
      {TarBuilder().file("../evil", "x").bytes(), "the entry '../evil' leads out of the archive"},
      {TarBuilder().file("a/../../evil", "x").bytes(),
       "the entry 'a/../../evil' leads out of the archive"},
      {TarBuilder().file("a/..", "x").bytes(), "the entry 'a/..' leads out of the archive"},
      {TarBuilder().file("/etc/passwd", "x").bytes(),
       "the entry '/etc/passwd' has an absolute name"},
      {TarBuilder().file("a\\b", "x").bytes(), "has a backslash in its name"},
      {TarBuilder().file("a\nb", "x").bytes(), "has a control character in its name"},
      {TarBuilder().special("link", '2', "/etc/passwd").bytes(),
       "'link' is a symbolic link; only files and folders are read"},
      {TarBuilder().file("a", "x").special("link", '1', "a").bytes(), "'link' is a hard link"},
      {TarBuilder().special("dev", '3', "").bytes(), "'dev' is a device"},
      {TarBuilder().special("pipe", '6', "").bytes(), "'pipe' is a pipe"},
  };
  for (const auto& [bytes, error] : cases) {
    CAPTURE(error);
    const std::string found = error_text(bytes);
    CHECK_MESSAGE((found.starts_with("a.tar: ") && contains(found, error)), found);
  }
}

TEST_CASE("an archive that is truncated or corrupt names the place") {
  const std::string tar =
      TarBuilder().file("first", "1").file("second", std::string(2000, '2')).bytes();
  std::string broken = tar;
  broken[1024 + 10] ^= 1;  // in the second header
  const std::string packed = gzipped(tar);
  CHECK(contains(error_text(tar.substr(0, 1024 + 512 + 700)), "'second' cannot be read"));
  CHECK(contains(error_text(broken), "is no .tar or .tar.gz, or a corrupt one"));
  CHECK(contains(error_text(packed.substr(0, packed.size() / 2)), "a.tar: "));
  CHECK(contains(error_text("This is text, and it is long enough for no archive to be found."),
                 "is no .tar or .tar.gz"));
}

TEST_CASE(
    "what an archive claims of sizes is held against the limits, and memory against what is "
    "there") {
  ArchiveLimits limits;
  limits.file_bytes = 100;
  limits.total_bytes = 150;
  limits.files = 3;
  const std::string sixty(60, 'x');
  CHECK(contains(error_text(TarBuilder().file("a", std::string(101, 'x')).bytes(), limits),
                 "'a' has 101 bytes, more than the 100"));
  CHECK(contains(
      error_text(TarBuilder().file("a", sixty).file("b", sixty).file("c", sixty).bytes(), limits),
      "up to 'c' the files have 180 bytes together, more than the 150"));
  CHECK(contains(
      error_text(TarBuilder().file("a", "").file("b", "").file("c", "").file("d", "").bytes(),
                 limits),
      "holds more than 3 files"));
  ArchiveLimits wide;
  wide.file_bytes = wide.total_bytes = std::uint64_t{1} << 40;
  CHECK(contains(error_text(TarBuilder().promise("claims", 8'000'000'000, "little").bytes(), wide),
                 "'claims' cannot be read"));
}
