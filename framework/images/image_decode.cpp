#include "images/image_decode.h"

#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <cmath>

#include "images/jpeg_errors.h"
#include "modeldiff/core/error.h"

// Its constants need those of jpeglib.h.
#include <jerror.h>

namespace modeldiff {
namespace {

constexpr std::uint64_t kMostPixels = std::uint64_t{1} << 26;
/// A progressive file may list scans without end, each a pass over the whole image.
constexpr int kMostJpegScans = 200;

void check_size(std::uint64_t height, std::uint64_t width, const std::string& name) {
  if (height == 0 || width == 0 || height > kMostPixels / width) {
    throw DataError(
        fmt::format("{}: is {} x {} pixels; 1 to {} are read", name, height, width, kMostPixels));
  }
}

/// Level -1 is a warning. After these the data is corrupt, and libjpeg would make something up.
void fail_when_corrupt(j_common_ptr info, int level) {
  constexpr int kCorrupt[] = {JWRN_ARITH_BAD_CODE, JWRN_BOGUS_PROGRESSION, JWRN_HIT_MARKER,
                              JWRN_HUFF_BAD_CODE,  JWRN_JPEG_EOF,          JWRN_MUST_RESYNC};
  const int code = info->err->msg_code;
  if (level < 0 && std::find(std::begin(kCorrupt), std::end(kCorrupt), code) != std::end(kCorrupt))
    JpegErrors::fail(info);
}

void limit_scans(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMostJpegScans) {
    auto* errors = reinterpret_cast<JpegErrors*>(info->err);
    std::snprintf(errors->message, sizeof errors->message, "more than %d scans", kMostJpegScans);
    std::longjmp(errors->recover, 1);
  }
}

/// Owns libjpeg's memory. Each call is a function of its own that says whether it came through.
class JpegDecoder {
 public:
  JpegDecoder() {
    info_.err = errors_.start();
    errors_.manager.emit_message = fail_when_corrupt;
    jpeg_create_decompress(&info_);
    progress_.progress_monitor = limit_scans;
    info_.progress = &progress_;
  }
  ~JpegDecoder() { jpeg_destroy_decompress(&info_); }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  bool read_header(std::string_view bytes) {
    if (setjmp(errors_.recover)) return false;
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
    jpeg_read_header(&info_, TRUE);
    return true;
  }
  /// @param pixels [height, width, 3]
  bool read_pixels(std::uint8_t* pixels) {
    if (setjmp(errors_.recover)) return false;
    info_.out_color_space = JCS_RGB;
    info_.dct_method = JDCT_ISLOW;  // the same bytes with and without vector instructions
    jpeg_start_decompress(&info_);
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW row = pixels + std::size_t{info_.output_scanline} * info_.output_width * 3;
      jpeg_read_scanlines(&info_, &row, 1);
    }
    jpeg_finish_decompress(&info_);
    return true;
  }
  std::int64_t height() const { return info_.image_height; }
  std::int64_t width() const { return info_.image_width; }
  const char* message() const { return errors_.message; }

 private:
  jpeg_decompress_struct info_{};
  jpeg_progress_mgr progress_{};
  JpegErrors errors_;
};

RgbImage decode_jpeg(std::string_view bytes, const std::string& name) {
  JpegDecoder decoder;
  const auto refuse = [&] {
    throw DataError(fmt::format("{}: is a corrupt JPEG image: {}", name, decoder.message()));
  };
  if (!decoder.read_header(bytes)) refuse();
  RgbImage image{decoder.height(), decoder.width(), {}};
  check_size(static_cast<std::uint64_t>(image.height), static_cast<std::uint64_t>(image.width),
             name);
  image.pixels.resize(static_cast<std::size_t>(image.height * image.width * 3));
  if (!decoder.read_pixels(image.pixels.data())) refuse();
  return image;
}

RgbImage decode_png(std::string_view bytes, const std::string& name) {
  struct PngImage : png_image {
    PngImage() : png_image{} { version = PNG_IMAGE_VERSION; }
    ~PngImage() { png_image_free(this); }
  } png;
  const auto refuse = [&] {
    throw DataError(fmt::format("{}: is a corrupt PNG image: {}", name, png.message));
  };
  if (!png_image_begin_read_from_memory(&png, bytes.data(), bytes.size())) refuse();
  check_size(png.height, png.width, name);
  RgbImage image{png.height, png.width, {}};
  image.pixels.resize(static_cast<std::size_t>(image.height * image.width * 3));
  png.format = PNG_FORMAT_RGB;
  const png_color black{0, 0, 0};
  if (!png_image_finish_read(&png, &black, image.pixels.data(), 0, nullptr)) refuse();
  return image;
}

constexpr int kWeightBits = 22;

/// What one result pixel takes of one dimension.
struct Window {
  std::int64_t first = 0;
  std::vector<std::int32_t> weights;  // sum 2^22 up to rounding
};

std::vector<Window> triangle_windows(std::int64_t from, std::int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to),
               reach = std::max(scale, 1.0);
  std::vector<Window> windows(static_cast<std::size_t>(to));
  for (std::int64_t i = 0; i < to; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    Window& window = windows[static_cast<std::size_t>(i)];
    window.first = std::max<std::int64_t>(0, static_cast<std::int64_t>(center - reach + 0.5));
    const std::int64_t end = std::min(from, static_cast<std::int64_t>(center + reach + 0.5));
    std::vector<double> weights;
    double sum = 0;
    for (std::int64_t j = window.first; j < end; ++j) {
      weights.push_back(
          std::max(0.0, 1.0 - std::abs((static_cast<double>(j) - center + 0.5) / reach)));
      sum += weights.back();
    }
    for (const double weight : weights) {
      window.weights.push_back(
          static_cast<std::int32_t>(std::lround(weight / sum * (1 << kWeightBits))));
    }
  }
  return windows;
}

/// @param in  `from` rows of `stride` bytes
/// @param out one row of `stride` bytes for each window
void blend_rows(const std::uint8_t* in, std::size_t stride, const std::vector<Window>& windows,
                std::uint8_t* out) {
  for (const Window& window : windows) {
    for (std::size_t x = 0; x < stride; ++x) {
      std::int64_t sum = std::int64_t{1} << (kWeightBits - 1);
      for (std::size_t k = 0; k < window.weights.size(); ++k) {
        sum += std::int64_t{window.weights[k]} *
               in[(static_cast<std::size_t>(window.first) + k) * stride + x];
      }
      *out++ = static_cast<std::uint8_t>(std::clamp<std::int64_t>(sum >> kWeightBits, 0, 255));
    }
  }
}

}  // namespace

RgbImage decode_image(std::string_view bytes, const std::string& name) {
  if (bytes.starts_with("\xff\xd8")) return decode_jpeg(bytes, name);
  if (bytes.starts_with("\x89PNG")) return decode_png(bytes, name);
  throw DataError(fmt::format("{}: is neither a JPEG nor a PNG image", name));
}

RgbImage resize_bilinear(const RgbImage& image, std::int64_t height, std::int64_t width) {
  RgbImage narrow{image.height, width,
                  std::vector<std::uint8_t>(static_cast<std::size_t>(image.height * width * 3))};
  const std::vector<Window> columns = triangle_windows(image.width, width);
  for (std::int64_t y = 0; y < image.height; ++y) {
    blend_rows(image.pixels.data() + y * image.width * 3, 3, columns,
               narrow.pixels.data() + y * width * 3);
  }
  RgbImage out{height, width,
               std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * 3))};
  blend_rows(narrow.pixels.data(), static_cast<std::size_t>(width * 3),
             triangle_windows(image.height, height), out.pixels.data());
  return out;
}

void write_planes(const RgbImage& image, std::int64_t channels, std::uint8_t* planes) {
  const std::int64_t pixels = image.height * image.width;
  const std::uint8_t* rgb = image.pixels.data();
  for (std::int64_t i = 0; i < pixels; ++i, rgb += 3) {
    if (channels == 1) {
      planes[i] =
          static_cast<std::uint8_t>((299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) / 1000);
    } else {
      for (std::int64_t c = 0; c < 3; ++c) planes[c * pixels + i] = rgb[c];
    }
  }
}

}  // namespace modeldiff
