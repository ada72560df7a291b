#include "fixtures.h"

#include <doctest/doctest.h>
#include <png.h>
#include <stdlib.h>
#include <zlib.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include <jpeglib.h>

namespace modeldiff::testing {
namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  std::string name = (fs::temp_directory_path() / "modeldiff-datasets-XXXXXX").string();
  REQUIRE(mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path TemporaryFolder::write(const std::string& name, std::string_view bytes) const {
  const fs::path path = path_ / name;
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

std::optional<fs::path> find_data(const std::string& name) {
  const char* named = std::getenv("MODELDIFF_DATA");
  const fs::path folder =
      named ? fs::path(named) : fs::path(MODELDIFF_SOURCE_DIR) / ".." / "shared" / "data";
  if (fs::exists(folder / name)) return folder;
  MESSAGE("skipped: " << name << " is not in " << folder.string() << " (set MODELDIFF_DATA)");
  return std::nullopt;
}

const Json& baselines() {
  static const Json json = [] {
    std::ifstream file(fs::path(MODELDIFF_SOURCE_DIR) / "tests" / "baselines" / "datasets.json");
    return Json::parse(file);
  }();
  return json;
}

std::string gzipped(std::string_view bytes) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, bytes.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

void TarBuilder::header(const std::string& name, std::uint64_t size, char type,
                        const std::string& target) {
  std::string block(512, '\0');
  const auto put = [&](std::size_t at, const std::string& text) {
    block.replace(at, text.size(), text);
  };
  const auto octal = [](std::uint64_t value, int digits) {
    char text[32];
    std::snprintf(text, sizeof text, "%0*llo", digits, static_cast<unsigned long long>(value));
    return std::string(text);
  };
  put(0, name);
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  put(124, octal(size, 11));
  put(136, octal(0, 11));
  put(148, "        ");
  block[156] = type;
  put(157, target);
  put(257, std::string("ustar\0"
                       "00",
                       8));
  unsigned sum = 0;
  for (const unsigned char c : block) sum += c;
  put(148, octal(sum, 6) + std::string("\0 ", 2));
  bytes_ += block;
}

void TarBuilder::padded(std::string_view content) {
  bytes_ += content;
  bytes_.resize((bytes_.size() + 511) / 512 * 512, '\0');
}

TarBuilder& TarBuilder::file(const std::string& name, std::string_view content) {
  return promise(name, content.size(), content);
}
TarBuilder& TarBuilder::folder(const std::string& name) {
  header(name, 0, '5', "");
  return *this;
}
TarBuilder& TarBuilder::special(const std::string& name, char type, const std::string& target) {
  header(name, 0, type, target);
  return *this;
}
TarBuilder& TarBuilder::promise(const std::string& name, std::uint64_t size,
                                std::string_view content) {
  header(name, size, '0', "");
  padded(content);
  return *this;
}
std::string TarBuilder::bytes() const { return bytes_ + std::string(1024, '\0'); }

std::string idx_bytes(const std::vector<std::uint32_t>& shape, std::string_view values) {
  std::string out("\0\0\x08", 3);
  out += static_cast<char>(shape.size());
  for (const std::uint32_t size : shape) {
    for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(size >> shift);
  }
  return out + std::string(values);
}

std::string jpeg_bytes(std::int64_t height, std::int64_t width,
                       const std::vector<std::uint8_t>& pixels, int quality) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* out = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &out, &size);
  info.image_width = static_cast<JDIMENSION>(width);
  info.image_height = static_cast<JDIMENSION>(height);
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = const_cast<JSAMPROW>(pixels.data() + info.next_scanline * width * 3);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string bytes(reinterpret_cast<char*>(out), size);
  std::free(out);
  return bytes;
}

std::string png_bytes(std::int64_t height, std::int64_t width,
                      const std::vector<std::uint8_t>& pixels) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = 0;
  REQUIRE(png_image_write_to_memory(&image, nullptr, &size, 0, pixels.data(), 0, nullptr));
  std::string bytes(size, '\0');
  REQUIRE(png_image_write_to_memory(&image, bytes.data(), &size, 0, pixels.data(), 0, nullptr));
  return bytes;
}

std::vector<std::uint8_t> plain_pixels(std::int64_t height, std::int64_t width, std::uint8_t r,
                                       std::uint8_t g, std::uint8_t b) {
  std::vector<std::uint8_t> pixels;
  for (std::int64_t i = 0; i < height * width; ++i) pixels.insert(pixels.end(), {r, g, b});
  return pixels;
}

}  // namespace modeldiff::testing
