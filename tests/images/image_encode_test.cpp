#include "images/image_encode.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "images/image_decode.h"
#include "modeldiff/core/error.h"

using namespace modeldiff;

namespace {

/// Planes [channels, 5, 7] in which each value tells where it is.
std::vector<std::uint8_t> numbered_planes(std::int64_t channels) {
  std::vector<std::uint8_t> planes;
  for (std::int64_t i = 0; i < channels * 5 * 7; ++i)
    planes.push_back(static_cast<std::uint8_t>(2 * i));
  return planes;
}

}  // namespace

TEST_CASE("what is written as PNG is read again exactly, in grey and in colour") {
  for (const std::int64_t channels : {1, 3}) {
    CAPTURE(channels);
    const std::vector<std::uint8_t> planes = numbered_planes(channels);
    const RgbImage read = decode_image(encode_png(rows_of(planes.data(), channels, 5, 7)), "p");
    CHECK(read.height == 5);
    CHECK(read.width == 7);
    std::vector<std::uint8_t> back(planes.size());
    write_planes(read, channels, back.data());
    CHECK(back == planes);
  }
}

TEST_CASE("an even image passes through JPEG, a lower quality makes a smaller file") {
  for (const std::int64_t channels : {1, 3}) {
    CAPTURE(channels);
    const PixelRows even{16, 16, channels,
                         std::vector<std::uint8_t>(static_cast<std::size_t>(256 * channels), 128)};
    const RgbImage read = decode_image(encode_jpeg(even, 20), "j");
    for (const std::uint8_t value : read.pixels) CHECK(std::abs(value - 128) <= 1);
    const PixelRows busy = rows_of(numbered_planes(channels).data(), channels, 5, 7);
    CHECK(encode_jpeg(busy, 10).size() < encode_jpeg(busy, 95).size());
    CHECK(encode_jpeg(busy, 10) == encode_jpeg(busy, 10));
  }
}

TEST_CASE("an image that JPEG cannot hold is an error in libjpeg's words") {
  const PixelRows wide{1, 70000, 1, std::vector<std::uint8_t>(70000)};
  CHECK_THROWS_WITH_AS(encode_jpeg(wide, 20),
                       "an image cannot be written as JPEG: Maximum supported image dimension is "
                       "65500 pixels",
                       DataError);
}
