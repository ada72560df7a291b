// Images in one folder a class, or in an archive of such folders. Everything is read once, then
// decoded side by side.

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "common/channel_statistics.h"
#include "common/image_files.h"
#include "common/parallel_for.h"
#include "image_folder_params.h"
#include "images/image_decode.h"
#include "modeldiff/core/random.h"
#include "modeldiff/dataset.h"
#include "modeldiff/plugin.h"

namespace modeldiff {
namespace {

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

class ImageFolder final : public DatasetSource {
 public:
  explicit ImageFolder(ImageFolderParams params) : params_(std::move(params)) {}

  Dataset load(const Resources& resources) const override {
    if (params_.channels == 2) throw ConfigError("channels", "must be 1 or 3, got 2");
    const std::filesystem::path path = resources.resolve(params_.path);
    auto [listing, files] = read_image_files(path);
    const ClassMap classes =
        map_classes(listing.folders, params_.classes, params_.without, params_.merge);

    std::vector<EncodedImage> images;
    std::vector<std::int64_t> labels, folders;
    Parts parts;
    for (std::size_t i = 0; i < files.size(); ++i) {
      const ListedImage& listed = listing.images[i];
      const std::int64_t label = classes.class_of_folder[static_cast<std::size_t>(listed.folder)];
      if (label < 0) continue;
      (listed.test ? parts.test : parts.train).push_back(static_cast<std::int64_t>(images.size()));
      labels.push_back(label);
      folders.push_back(listed.folder);
      images.push_back(std::move(files[i]));
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
    const auto [mean, deviation] =
        channel_statistics(train.inputs.const_data_ptr<std::uint8_t>(), train.size(),
                           params_.channels, facts.input_shape[1] * facts.input_shape[2]);
    facts.mean = per_channel("mean", params_.mean.value_or(mean));
    facts.deviation = per_channel("deviation", params_.deviation.value_or(deviation));
    facts.fill = facts.mean;
    facts.source = fmt::format("images of '{}'", path.filename().string());
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
