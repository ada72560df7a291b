#include "mnist/idx_reader.h"

#include <doctest/doctest.h>

#include "fixtures.h"

using namespace modeldiff;
using namespace modeldiff::testing;

namespace {

const std::string kTwoImages = idx_bytes({2, 1, 3}, "abcdef");

}  // namespace

TEST_CASE("an IDX file is read the same plain and gzipped, in one member or two") {
  const std::size_t half = kTwoImages.size() / 2;
  const std::string two_members =
      gzipped(kTwoImages.substr(0, half)) + gzipped(kTwoImages.substr(half));
  for (const std::string& bytes : {kTwoImages, gzipped(kTwoImages), two_members}) {
    const IdxArray array = parse_idx(bytes, "images", 3);
    CHECK(array.shape == std::vector<std::int64_t>{2, 1, 3});
    CHECK(std::string(array.values.begin(), array.values.end()) == "abcdef");
  }
}

TEST_CASE("an IDX file that is not what it says is refused with file, expected and found") {
  const std::string packed = gzipped(kTwoImages);
  std::string wrong_sum = packed;
  wrong_sum[packed.size() - 6] ^= 1;
  const struct {
    std::string bytes;
    std::string error;
  } cases[] = {
      {"", "images: ends early: expected 4 bytes after byte 0, found 0"},
      {idx_bytes({6}, "abcdef"),
       "images: expected the magic number 0x00000803 (unsigned bytes, 3 dimensions), found "
       "0x00000801"},
      {kTwoImages.substr(0, 10), "images: ends early: expected 4 bytes after byte 8, found 2"},
      {kTwoImages.substr(0, kTwoImages.size() - 1),
       "images: the header promises 2 x 1 x 3 bytes, the file can hold no more than 5"},
      {kTwoImages + "g", "images: the file goes on after the 6 bytes that its header promises"},
      {idx_bytes({4000000000u, 4000000000u, 4000000000u}, "abc"),
       "images: the header promises 4000000000 x 4000000000 x 4000000000 bytes, the file can hold "
       "no more than 3"},
      {gzipped(kTwoImages.substr(0, kTwoImages.size() - 1)),
       "images: ends early: expected 6 bytes after byte 16, found 5"},
      {gzipped(kTwoImages + "g"),
       "images: the file goes on after the 6 bytes that its header promises"},
      {packed.substr(0, packed.size() - 12), "images: the gzip data ends early"},
      {packed.substr(0, packed.size() - 3), "images: the gzip data ends early"},
      {packed + "trailing bytes",
       "images: the gzip data is corrupt after 22 unpacked bytes: incorrect header check"},
      {wrong_sum, "images: the gzip data is corrupt after 22 unpacked bytes: incorrect data check"},
  };
  for (const auto& [bytes, error] : cases) {
    CAPTURE(error);
    const std::string found = error_of<DataError>([&] { parse_idx(bytes, "images", 3); });
    CHECK_MESSAGE(found.starts_with(error), found);
  }
}

TEST_CASE("a gzipped header that promises more than its bytes can unpack to gets no memory") {
  const std::string found = error_of<DataError>(
      [&] { parse_idx(gzipped(idx_bytes({1u << 31, 1000, 1000}, "a")), "bomb", 3); });
  CHECK_MESSAGE(found.starts_with("bomb: the header promises 2147483648 x 1000 x 1000 bytes"),
                found);
}

TEST_CASE("a file that is absent, or a folder, is refused with its path") {
  const TemporaryFolder folder;
  CHECK(contains(error_of<DataError>([&] { read_idx(folder.path() / "none", 1); }),
                 "none: cannot be read: No such file"));
  CHECK(contains(error_of<DataError>([&] { read_idx(folder.path(), 1); }), folder.path().string()));
}
