#include "store/data_digest.h"

#include <doctest/doctest.h>

#include <chrono>
#include <fstream>
#include <string_view>

#include "modeldiff/core/error.h"
#include "modeldiff/core/hash.h"
#include "store/file_io.h"
#include "temporary_folder.h"
#include "thrown_text.h"

using namespace modeldiff;

namespace {

namespace fs = std::filesystem;

/// Writes a file that was last modified long ago, as data are.
void write_old(const fs::path& path, std::string_view text, int hours_ago = 24) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::trunc) << text;
  fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(hours_ago));
}

}  // namespace

TEST_CASE("the digest of a file is its SHA-256, and it is read once, also by the next process") {
  const TemporaryFolder folder;
  write_old(folder / "data.bin", "abc");
  DigestCache cache(folder / "cache/digests.jsonl");
  CHECK(cache.digest(folder / "data.bin") == sha256("abc"));
  CHECK(cache.digest(folder / "data.bin") == sha256("abc"));
  CHECK(cache.files_read() == 1);
  DigestCache next(folder / "cache/digests.jsonl");
  CHECK(next.digest(folder / "data.bin") == sha256("abc"));
  CHECK(next.files_read() == 0);
}

TEST_CASE("a file that changed is read again: its size, its time, or another file in its place") {
  const TemporaryFolder folder;
  const fs::path path = folder / "data.bin";
  DigestCache cache(folder / "digests.jsonl");
  write_old(path, "abc", 24);
  CHECK(cache.digest(path) == sha256("abc"));
  write_old(path, "abcd", 24);
  CHECK(cache.digest(path) == sha256("abcd"));
  write_old(path, "ABCD", 23);
  CHECK(cache.digest(path) == sha256("ABCD"));
  const auto time = fs::last_write_time(path);
  write_old(folder / "other.bin", "wxyz");
  fs::rename(folder / "other.bin", path);
  fs::last_write_time(path, time);
  CHECK(cache.digest(path) == sha256("wxyz"));
  CHECK(cache.files_read() == 4);
}

TEST_CASE(
    "a file modified just now is not remembered, as a second change could have the same time") {
  const TemporaryFolder folder;
  DigestCache cache(folder / "digests.jsonl");
  std::ofstream(folder / "data.bin") << "abc";
  const auto time = fs::last_write_time(folder / "data.bin");
  CHECK(cache.digest(folder / "data.bin") == sha256("abc"));
  std::ofstream(folder / "data.bin") << "abd";
  fs::last_write_time(folder / "data.bin", time);
  CHECK(cache.digest(folder / "data.bin") == sha256("abd"));
}

TEST_CASE(
    "the digest of a folder is that of its names and contents, not of its place or its order") {
  const TemporaryFolder folder;
  DigestCache cache(folder / "digests.jsonl");
  write_old(folder / "one/b.txt", "2");
  write_old(folder / "one/a/x.txt", "1");
  write_old(folder / "other/a/x.txt", "1", 48);
  write_old(folder / "other/b.txt", "2", 48);
  const std::string digest = cache.digest(folder / "one");
  CHECK(digest == sha256(std::string("a/x.txt\0", 8) + "1 " + sha256("1") + "\n" +
                         std::string("b.txt\0", 6) + "1 " + sha256("2") + "\n"));
  CHECK(cache.digest(folder / "other") == digest);
  CHECK(cache.digest((folder / "one").string() + "/") == digest);
  fs::create_directory_symlink(folder / "other", folder / "link");
  CHECK(cache.digest(folder / "link") == digest);
  fs::rename(folder / "other/b.txt", folder / "other/c.txt");
  CHECK(cache.digest(folder / "other") != digest);
  fs::rename(folder / "other/c.txt", folder / "other/b.txt");
  CHECK(cache.digest(folder / "other") == digest);
  write_old(folder / "other/b.txt", "3");
  CHECK(cache.digest(folder / "other") != digest);
}

TEST_CASE("what cannot be digested is named") {
  const TemporaryFolder folder;
  DigestCache cache(folder / "digests.jsonl");
  CHECK(thrown_text<DataError>([&] { cache.digest(folder / "absent"); }) ==
        "cannot read '" + (folder / "absent").string() + "': No such file or directory");
  fs::create_directories(folder / "loop/a");
  fs::create_directory_symlink(folder / "loop", folder / "loop/a/up");
  CHECK(thrown_text<DataError>([&] { cache.digest(folder / "loop"); }) ==
        "'" + (folder / "loop/a/up").string() + "' leads back to a folder that holds it");
}

TEST_CASE("lines of the cache that are cut short or forged are no entries") {
  const TemporaryFolder folder;
  write_old(folder / "data.bin", "abc");
  {
    DigestCache cache(folder / "digests.jsonl");
    cache.digest(folder / "data.bin");
  }
  const std::string line = read_text(folder / "digests.jsonl");
  const std::string no_digest = [&] {
    std::string text = line;
    return text.replace(text.find(sha256("abc")), 64, "x");
  }();
  for (const std::string& text :
       {line.substr(0, line.size() / 2), std::string("[]\n7\n{}\n\n"), no_digest}) {
    CAPTURE(text);
    write_text_atomically(folder / "digests.jsonl", text);
    DigestCache cache(folder / "digests.jsonl");
    CHECK(cache.digest(folder / "data.bin") == sha256("abc"));
    CHECK(cache.files_read() == 1);
  }
}
