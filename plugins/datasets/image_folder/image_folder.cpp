// Images in one folder a class, or in an archive of such folders. Everything is read once, then
// decoded side by side.

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "common/archive_reader.h"
#include "image_folder_params.h"
#include "image_listing.h"
#include "images/image_decode.h"
#include "modeldiff/core/random.h"
#include "modeldiff/dataset.h"
#include "modeldiff/plugin.h"
#include "parallel_for.h"

namespace modeldiff {
namespace {

struct EncodedImage {
  std::string name;
  std::string bytes;
};

/// One part of the data: indices into the listing, ascending.
struct Parts {
  std::vector<std::int64_t> train, test;
};

/// Where there are no folders train/ and test/: round(fraction * count) of each class's images,
/// drawn by class.
Parts draw_parts(const std::vector<std::int64_t>& labels, std::int64_t classes, double fraction,
                 std::uint64_t seed) {
  std::vector<std::vector<std::int64_t>> of_class(static_cast<std::size_t>(classes));
  for (std::size_t i = 0; i < labels.size(); ++i)
    of_class[static_cast<std::size_t>(labels[i])].push_back(static_cast<std::int64_t>(i));
  Parts parts;
  for (std::size_t label = 0; label < of_class.size(); ++label) {
    const auto n = static_cast<std::int64_t>(of_class[label].size());
    const auto count = static_cast<std::int64_t>(std::lround(fraction * static_cast<double>(n)));
    const std::vector<std::int64_t> chosen =
        RandomStream(seed, "image_folder.test", label).choose(n, count);
    for (std::int64_t i = 0; i < n; ++i) {
      const bool test = std::binary_search(chosen.begin(), chosen.end(), i);
      (test ? parts.test : parts.train).push_back(of_class[label][static_cast<std::size_t>(i)]);
    }
  }
  std::sort(parts.train.begin(), parts.train.end());
  std::sort(parts.test.begin(), parts.test.end());
  return parts;
}

/// Mean and population deviation of each channel of [n, C, H, W] uint8, over 255; sums are exact
/// integers.
std::pair<std::vector<double>, std::vector<double>> channel_statistics(const at::Tensor& images) {
  const std::int64_t n = images.size(0), channels = images.size(1),
                     pixels = images.size(2) * images.size(3);
  std::vector<double> mean, deviation;
  for (std::int64_t c = 0; c < channels; ++c) {
    std::uint64_t sum = 0, squares = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const std::uint8_t* plane = images.data_ptr<std::uint8_t>() + (i * channels + c) * pixels;
      for (std::int64_t k = 0; k < pixels; ++k)
        sum += plane[k], squares += std::uint64_t{plane[k]} * plane[k];
    }
    const double count = static_cast<double>(n) * static_cast<double>(pixels),
                 m = static_cast<double>(sum) / count;
    mean.push_back(m / 255);
    deviation.push_back(std::sqrt(std::max(0.0, static_cast<double>(squares) / count - m * m)) /
                        255);
    if (deviation.back() == 0) deviation.back() = 1;
  }
  return {mean, deviation};
}

class ImageFolder final : public DatasetSource {
 public:
  explicit ImageFolder(ImageFolderParams params) : params_(std::move(params)) {}

  Dataset load(const Resources& resources) const override {
    if (params_.channels == 2) throw ConfigError("channels", "must be 1 or 3, got 2");
    const std::filesystem::path path = resources.resolve(params_.path);
    std::unordered_map<std::string, std::string> contents = read_contents(path);
    std::vector<std::string> names;
    for (const auto& [name, content] : contents) names.push_back(name);
    const ImageListing listing = list_images(std::move(names), path.string());
    const ClassMap classes = map_classes(listing.folders, params_.classes, params_.merge);

    std::vector<EncodedImage> images;
    std::vector<std::int64_t> labels, folders;
    Parts parts;
    for (const ListedImage& listed : listing.images) {
      const std::int64_t label = classes.class_of_folder[static_cast<std::size_t>(listed.folder)];
      if (label < 0) continue;
      (listed.test ? parts.test : parts.train).push_back(static_cast<std::int64_t>(images.size()));
      labels.push_back(label);
      folders.push_back(listed.folder);
      images.push_back({path.string() + ": " + listed.name, std::move(contents[listed.name])});
    }
    if (!listing.has_parts) {
      parts = draw_parts(labels, static_cast<std::int64_t>(classes.names.size()),
                         params_.test_fraction, params_.split_seed);
    }
    if (parts.train.empty() || parts.test.empty()) {
      throw DataError(fmt::format("{}: the {} part has no images", path.string(),
                                  parts.train.empty() ? "training" : "test"));
    }

    const at::Tensor pixels = decode_all(images);
    Dataset data;
    data.train = examples_of(parts.train, pixels, labels, folders);
    data.test = examples_of(parts.test, pixels, labels, folders);
    data.facts = facts_of(path, data.train, classes, listing.folders);
    return data;
  }

 private:
  static std::unordered_map<std::string, std::string> read_contents(
      const std::filesystem::path& path) {
    std::unordered_map<std::string, std::string> contents;
    read_files(path, {}, names_image, [&](const std::string& name, std::string content) {
      if (!contents.emplace(name, std::move(content)).second) {
        throw DataError(fmt::format("{}: holds '{}' twice", path.string(), name));
      }
    });
    return contents;
  }

  /// @return [n, channels, height, width] uint8
  at::Tensor decode_all(const std::vector<EncodedImage>& images) const {
    const RgbImage first = decode_image(images.front().bytes, images.front().name);
    const std::int64_t height = params_.size.value_or(first.height),
                       width = params_.size.value_or(first.width);
    const auto n = static_cast<std::int64_t>(images.size()),
               image_bytes = params_.channels * height * width;
    constexpr double kGiB = 1 << 30;
    const double needed = static_cast<double>(n) * static_cast<double>(image_bytes);
    if (needed > params_.memory_limit * kGiB) {
      throw ConfigError(
          "memory_limit",
          fmt::format(
              "{} images of {} x {} x {} need {:.0f} bytes ({:.2f} GiB), the limit is {} GiB", n,
              params_.channels, height, width, needed, needed / kGiB, params_.memory_limit));
    }
    at::Tensor pixels = at::empty({n, params_.channels, height, width}, at::kByte);
    auto* out = pixels.data_ptr<std::uint8_t>();
    parallel_for(n, params_.threads, [&](std::int64_t i) {
      const EncodedImage& encoded = images[static_cast<std::size_t>(i)];
      RgbImage image = decode_image(encoded.bytes, encoded.name);
      if (image.height != height || image.width != width) {
        if (!params_.size) {
          throw DataError(fmt::format(
              "{}: is {} x {} pixels, '{}' is {} x {}; `size` resizes them all", encoded.name,
              image.height, image.width, images.front().name, height, width));
        }
        image = resize_bilinear(image, height, width);
      }
      write_planes(image, params_.channels, out + i * image_bytes);
    });
    return pixels;
  }

  Examples examples_of(const std::vector<std::int64_t>& rows, const at::Tensor& pixels,
                       const std::vector<std::int64_t>& labels,
                       const std::vector<std::int64_t>& folders) const {
    const at::Tensor index = at::tensor(rows, at::kLong);
    Examples out;
    out.inputs = pixels.index_select(0, index);
    out.targets = at::tensor(labels, at::kLong).index_select(0, index);
    if (!params_.merge.empty()) out.groups = at::tensor(folders, at::kLong).index_select(0, index);
    return out;
  }

  DataFacts facts_of(const std::filesystem::path& path, const Examples& train,
                     const ClassMap& classes, const std::vector<std::string>& folders) const {
    DataFacts facts;
    facts.name = path.filename().string().substr(0, path.filename().string().find('.'));
    facts.input_shape = train.inputs.sizes().slice(1).vec();
    facts.class_names = classes.names;
    facts.outputs = static_cast<std::int64_t>(classes.names.size());
    if (!params_.merge.empty()) facts.groups = folders;
    const auto [mean, deviation] = channel_statistics(train.inputs);
    facts.mean = per_channel("mean", params_.mean.value_or(mean));
    facts.deviation = per_channel("deviation", params_.deviation.value_or(deviation));
    facts.fill = facts.mean;
    facts.source = fmt::format("images of '{}'", params_.path.text);
    return facts;
  }

  std::vector<float> per_channel(const char* key, const std::vector<double>& values) const {
    if (static_cast<std::int64_t>(values.size()) != params_.channels) {
      throw ConfigError(key, fmt::format("has {} values, the images have {} channels",
                                         values.size(), params_.channels));
    }
    return {values.begin(), values.end()};
  }

  ImageFolderParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("datasets", "image_folder", "1.0",
                 "JPEG and PNG images in one folder a class, or an archive of them", ImageFolder,
                 ImageFolderParams, "{}")

}  // namespace modeldiff
