#include "store/file_io.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "modeldiff/core/error.h"
#include "temporary_folder.h"
#include "thrown_text.h"

using namespace modeldiff;

TEST_CASE("what the system refuses is said with the path and what to do") {
  const auto text = [](int error, std::uint64_t bytes) {
    return thrown_text<StorageError>(
        [&] { throw_storage_error(error, "write", "/dev/null/x", bytes); });
  };
  CHECK(text(EACCES, 0) ==
        "cannot write '/dev/null/x': Permission denied; make the folder writable for this user, or "
        "put the store "
        "elsewhere");
  CHECK(text(EROFS, 0) ==
        "cannot write '/dev/null/x': Read-only file system; put the store on a file system that "
        "can be written");
  CHECK(text(EIO, 10) == "cannot write '/dev/null/x': Input/output error");
  const std::string quota = text(EDQUOT, 4096);
  CHECK(quota.starts_with(
      "cannot write '/dev/null/x': Disk quota exceeded; 4096 bytes are needed, "));
  CHECK(quota.ends_with(
      "remove files of yours there, ask for a larger quota, or put the store on another disk"));
}

TEST_CASE("free space is that of the nearest folder that exists") {
  const TemporaryFolder folder;
  CHECK(free_disk(folder.path()) > 0);
  CHECK(free_disk(folder / "not/yet/there") > 0);
}

TEST_CASE("replacing a file leaves the new text and nothing else") {
  const TemporaryFolder folder;
  write_text_atomically(folder / "a/plan.json", "old");
  write_text_atomically(folder / "a/plan.json", "new");
  CHECK(read_text(folder / "a/plan.json") == "new");
  CHECK(std::distance(std::filesystem::directory_iterator(folder / "a"), {}) == 1);
  std::filesystem::create_directory(folder / "b");
  CHECK_THROWS_AS(write_text_atomically(folder / "b", "x"), StorageError);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 2);
}

TEST_CASE("an output file never replaces one that exists") {
  const TemporaryFolder folder;
  OutputFile(folder / "x").close();
  CHECK(thrown_text<StorageError>([&] { OutputFile again(folder / "x"); }) ==
        "cannot create '" + (folder / "x").string() + "': File exists");
}

TEST_CASE("a text longer than the limit is refused before it is read") {
  const TemporaryFolder folder;
  write_text_atomically(folder / "x", "12345");
  CHECK(read_text(folder / "x", 5) == "12345");
  CHECK(thrown_text<DataError>([&] { read_text(folder / "x", 4); }) ==
        "cannot read '" + (folder / "x").string() + "': expected at most 4 bytes, found 5");
}

TEST_CASE("lines that several processes append do not mix") {
  constexpr int kProcesses = 4, kLines = 200;
  const TemporaryFolder folder;
  for (int i = 0; i < kProcesses; ++i) {
    if (::fork() == 0) {
      for (int n = 0; n < kLines; ++n)
        append_line(folder / "lines", std::string(100 + i, static_cast<char>('a' + i)));
      ::_exit(0);
    }
  }
  for (int i = 0; i < kProcesses; ++i) ::wait(nullptr);
  const std::string text = read_text(folder / "lines");
  int lines = 0;
  for (std::size_t start = 0; start < text.size(); ++lines) {
    const std::size_t end = text.find('\n', start);
    const std::string line = text.substr(start, end - start);
    REQUIRE(line == std::string(100 + line[0] - 'a', line[0]));
    start = end + 1;
  }
  CHECK(lines == kProcesses * kLines);
}
