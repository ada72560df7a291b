#include "images/image_decode.h"

#include <doctest/doctest.h>
#include <zlib.h>

#include "plugins/datasets/fixtures.h"

using namespace modeldiff;
using namespace modeldiff::testing;

namespace {

/// The image that the baselines were made from.
RgbImage pattern(std::int64_t height, std::int64_t width) {
  RgbImage image{height, width, {}};
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      for (std::int64_t c = 0; c < 3; ++c)
        image.pixels.push_back(static_cast<std::uint8_t>(x * 37 + y * 91 + c * 53 + x * y * 7));
    }
  }
  return image;
}

}  // namespace

TEST_CASE("a PNG image comes back exactly, a plain JPEG one too") {
  const RgbImage image = pattern(5, 7);
  const RgbImage png = decode_image(png_bytes(5, 7, image.pixels), "p");
  CHECK(png.height == 5);
  CHECK(png.width == 7);
  CHECK(png.pixels == image.pixels);
  const std::vector<std::uint8_t> grey = plain_pixels(9, 4, 77, 77, 77);
  const RgbImage jpeg = decode_image(jpeg_bytes(9, 4, grey, 100), "j");
  CHECK(jpeg.height == 9);
  CHECK(jpeg.width == 4);
  CHECK(jpeg.pixels == grey);
}

TEST_CASE("an image cut short anywhere is refused by name") {
  const RgbImage image = pattern(24, 24);
  for (const std::string& whole :
       {jpeg_bytes(24, 24, image.pixels), png_bytes(24, 24, image.pixels)}) {
    // The last bytes are an end marker or checksum that carry no pixels.
    for (std::size_t size = 0; size + 16 < whole.size(); size += 7) {
      CAPTURE(size);
      const std::string error = error_of<DataError>(
          [&] { decode_image(std::string_view(whole).substr(0, size), "folder/x"); });
      CHECK_MESSAGE(error.starts_with("folder/x: is "), error);
    }
  }
}

TEST_CASE("what is no image, or claims too many pixels, is refused") {
  CHECK(error_of<DataError>([] { decode_image("GIF89a", "x"); }) ==
        "x: is neither a JPEG nor a PNG image");
  std::string png = png_bytes(2, 2, plain_pixels(2, 2, 1, 2, 3));
  png.replace(16, 8, std::string("\x00\x01\x00\x00\x00\x01\x00\x00", 8));  // 65,536 x 65,536
  const uLong sum = crc32(0, reinterpret_cast<const Bytef*>(png.data() + 12), 17);
  for (int i = 0; i < 4; ++i)
    png[29 + static_cast<std::size_t>(i)] = static_cast<char>(sum >> (24 - 8 * i));
  CHECK(error_of<DataError>([&] { decode_image(png, "x"); }) ==
        "x: is 65536 x 65536 pixels; 1 to 67108864 are read");
  std::string jpeg = jpeg_bytes(8, 8, plain_pixels(8, 8, 1, 2, 3));
  const std::size_t frame = jpeg.find("\xff\xc0");
  REQUIRE(frame != std::string::npos);
  jpeg.replace(frame + 5, 4, "\xf0\xf0\xf0\xf0");  // 61,680 x 61,680
  CHECK(error_of<DataError>([&] { decode_image(jpeg, "x"); }) ==
        "x: is 61680 x 61680 pixels; 1 to 67108864 are read");
}

TEST_CASE("corrupt scan data of a JPEG image is an error, not a grey block") {
  std::string bytes = jpeg_bytes(64, 64, pattern(64, 64).pixels, 50);
  bytes.replace(bytes.size() * 2 / 3, 2, "\xff\xd9");  // the image ends here, says its data
  const std::string error = error_of<DataError>([&] { decode_image(bytes, "x"); });
  CHECK_MESSAGE(error.starts_with("x: is a corrupt JPEG image: "), error);
}

TEST_CASE("bilinear resizing gives Pillow's bytes") {
  for (const Json& known : baselines().at("resized")) {
    const auto from = known.at("from").get<std::vector<std::int64_t>>(),
               to = known.at("to").get<std::vector<std::int64_t>>();
    CAPTURE(known.at("from").dump() + " to " + known.at("to").dump());
    const RgbImage resized = resize_bilinear(pattern(from[0], from[1]), to[0], to[1]);
    CHECK(resized.height == to[0]);
    CHECK(resized.width == to[1]);
    CHECK(resized.pixels == known.at("pixels").get<std::vector<std::uint8_t>>());
  }
}

TEST_CASE("resizing to the same size changes nothing, and keeps a plain image plain") {
  const RgbImage image = pattern(6, 5);
  CHECK(resize_bilinear(image, 6, 5).pixels == image.pixels);
  const RgbImage plain{4, 9, plain_pixels(4, 9, 200, 100, 255)};
  CHECK(resize_bilinear(plain, 7, 2).pixels == plain_pixels(7, 2, 200, 100, 255));
}

TEST_CASE("planes hold red, green, blue one after the other, or grey") {
  const RgbImage image{1, 2, {1, 2, 3, 255, 255, 255}};
  std::uint8_t planes[6];
  write_planes(image, 3, planes);
  CHECK(std::vector<int>(planes, planes + 6) == std::vector<int>{1, 255, 2, 255, 3, 255});
  write_planes(image, 1, planes);
  CHECK(planes[0] == 2);
  CHECK(planes[1] == 255);
}
