// Objects pasted on backgrounds that go with the label, after the design of Waterbirds (Sagawa et
// al. 2020), with something rarer in a corner of some training images: what a model may rely on is
// known.

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "common/channel_statistics.h"
#include "common/image_files.h"
#include "common/parallel_for.h"
#include "composites_params.h"
#include "compositing.h"
#include "images/image_decode.h"
#include "modeldiff/core/random.h"
#include "modeldiff/dataset.h"
#include "modeldiff/plugin.h"
#include "row_draws.h"

namespace modeldiff {
namespace {

/// Images of one part that may be drawn.
using Pool = std::vector<const EncodedImage*>;

/// The archives of the data set, each read once.
class ImageArchives {
 public:
  explicit ImageArchives(const Resources& resources) : resources_(resources) {}

  /// The images of some class folders.
  /// @param key of the experiment file that names the folders
  Pool pool(const DataPath& path, const std::vector<std::string>& folders, const std::string& key,
            bool test) {
    const ImageFiles& files = read(path);
    std::vector<bool> wanted(files.listing.folders.size());
    for (const std::string& folder : folders)
      wanted[static_cast<std::size_t>(folder_index(files.listing.folders, folder, key))] = true;
    Pool out;
    for (std::size_t i = 0; i < files.images.size(); ++i) {
      const ListedImage& listed = files.listing.images[i];
      if (listed.test == test && wanted[static_cast<std::size_t>(listed.folder)])
        out.push_back(&files.images[i]);
    }
    if (out.empty()) {
      throw ConfigError(key, fmt::format("'{}' has no images of these folders in {}/", path.text,
                                         test ? "test" : "train"));
    }
    return out;
  }

  /// Without the folders above it.
  std::string name(const DataPath& path) const {
    return resources_.resolve(path).filename().string();
  }

 private:
  const ImageFiles& read(const DataPath& path) {
    auto& files = files_[path.text];
    if (files) return *files;
    const std::filesystem::path found = resources_.resolve(path);
    files = std::make_unique<ImageFiles>(read_image_files(found));
    if (!files->listing.has_parts) {
      throw DataError(fmt::format(
          "{}: has no folders train/ and test/; expected train|test/CLASS/FILE", found.string()));
    }
    return *files;
  }

  const Resources& resources_;
  std::map<std::string, std::unique_ptr<ImageFiles>> files_;
};

/// One part of the data: what its rows are drawn from.
struct Part {
  std::string role;
  double strength = 0;
  std::vector<Pool> foregrounds, backgrounds;  // by label
  std::vector<Pool> crops;                     // by confounder; empty for a square
  std::vector<DrawnRow> rows;
};

class Composites final : public DatasetSource {
 public:
  explicit Composites(CompositesParams params) : params_(std::move(params)) {
    for (const auto& [name, label] : params_.labels) label_names_.push_back(name);
    if (auto found = contradictions(); !found.empty()) throw ConfigError(std::move(found));
    opacity_ = disc_opacity(params_.foreground.size, params_.foreground.edge);
  }

  Dataset load(const Resources& resources) const override {
    ImageArchives archives(resources);
    Dataset data;
    data.train = examples_of(part_of(archives, /*test=*/false));
    data.test = examples_of(part_of(archives, /*test=*/true));
    data.facts = facts_of(data.train, archives);
    return data;
  }

 private:
  std::vector<Diagnostic> contradictions() const {
    std::vector<Diagnostic> found;
    const auto add = [&](std::string path, std::string message) {
      found.push_back({{}, std::move(path), std::move(message)});
    };
    const auto add_too_large = [&](std::string path, std::int64_t side) {
      if (side > params_.size)
        add(std::move(path), fmt::format("must be at most `size`, {}, got {}", params_.size, side));
    };
    if (label_names_.size() < 2) add("labels", "must be two or more");
    add_too_large("foreground.size", params_.foreground.size);
    add_too_large("background.crop", params_.background.crop);
    std::set<std::string> folders;
    for (const auto& [name, label] : params_.labels) {
      for (const std::string& folder : label.foreground) {
        if (!folders.insert(folder).second)
          add("labels." + name + ".foreground", fmt::format("'{}' is listed twice", folder));
      }
    }
    for (std::size_t i = 0; i < params_.confounders.size(); ++i) {
      const ConfounderParams& confounder = params_.confounders[i];
      const auto key = [&](const char* name) { return fmt::format("confounders[{}].{}", i, name); };
      const bool crop = confounder.kind == ConfounderKind::crop;
      add_too_large(key("size"), confounder.size);
      add_too_large(key("window"), confounder.window.value_or(1));
      if (!crop && confounder.window) add(key("window"), "belongs to a crop");
      if (crop != confounder.path.has_value())
        add(key("path"), crop ? "is missing: the images of a crop" : "belongs to a crop");
      if (crop == confounder.folders.empty())
        add(key("folders"), crop ? "are missing: the images of a crop" : "belong to a crop");
      if (crop == confounder.colour.has_value())
        add(key("colour"), crop ? "belongs to a square" : "is missing: that of the square");
      if (!params_.labels.contains(confounder.label)) {
        add(key("label"), fmt::format("there is no label '{}'; there are {}", confounder.label,
                                      fmt::join(label_names_, ", ")));
      }
    }
    return found;
  }

  std::size_t label_index(const std::string& name) const {
    return static_cast<std::size_t>(std::find(label_names_.begin(), label_names_.end(), name) -
                                    label_names_.begin());
  }

  Part part_of(ImageArchives& archives, bool test) const {
    Part part;
    part.role = test ? "test" : "train";
    part.strength = test ? params_.test_strength : params_.strength;
    std::vector<double> shares;
    std::vector<std::int64_t> objects;
    for (const auto& [name, label] : params_.labels) {
      const std::string key = "labels." + name;
      part.foregrounds.push_back(
          archives.pool(params_.foreground.path, label.foreground, key + ".foreground", test));
      part.backgrounds.push_back(
          archives.pool(params_.background.path, label.background, key + ".background", test));
      objects.push_back(static_cast<std::int64_t>(part.foregrounds.back().size()));
      shares.push_back(label.share);
    }
    const std::int64_t n = test ? params_.test : params_.train;
    const std::vector<std::int64_t> counts = rows_of_labels(n, shares);
    for (std::size_t label = 0; label < counts.size(); ++label) {
      if (counts[label] <= objects[label]) continue;
      throw ConfigError(part.role, fmt::format("{} images need {} objects of '{}', there are {}", n,
                                               counts[label], label_names_[label], objects[label]));
    }
    std::vector<ConfounderShare> confounders;
    std::vector<std::int64_t> free = counts;
    for (std::size_t i = 0; !test && i < params_.confounders.size(); ++i) {
      const ConfounderParams& confounder = params_.confounders[i];
      const std::string key = fmt::format("confounders[{}]", i);
      const std::size_t label = label_index(confounder.label);
      confounders.push_back({static_cast<std::int64_t>(label), confounder.share});
      free[label] -= rows_of_share(confounder.share, counts[label]);
      if (free[label] < 0) {
        throw ConfigError(key + ".share",
                          fmt::format("asks for more than what is left of the {} images of '{}'",
                                      counts[label], confounder.label));
      }
      part.crops.push_back(confounder.path ? archives.pool(*confounder.path, confounder.folders,
                                                           key + ".folders", test)
                                           : Pool{});
    }
    part.rows = draw_rows(counts, objects, confounders, params_.seed, "composites." + part.role);
    return part;
  }

  /// Rows are made side by side; each depends on its own random stream only.
  Examples examples_of(const Part& part) const {
    const auto n = static_cast<std::int64_t>(part.rows.size());
    Examples out;
    out.inputs = at::empty({n, 3, params_.size, params_.size}, at::kByte);
    out.targets = at::empty({n}, at::kLong);
    out.groups = at::empty({n}, at::kLong);
    auto* pixels = out.inputs.data_ptr<std::uint8_t>();
    auto *targets = out.targets.data_ptr<std::int64_t>(),
         *groups = out.groups.data_ptr<std::int64_t>();
    const auto labels = static_cast<std::int64_t>(label_names_.size());
    parallel_for(n, params_.threads, [&](std::int64_t i) {
      const DrawnRow& row = part.rows[static_cast<std::size_t>(i)];
      RandomStream random(params_.seed, "composites." + part.role, static_cast<std::uint64_t>(i));
      const bool own = random.uniform_double() < part.strength;
      const auto other =
          1 + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(labels - 1)));
      const std::int64_t background = own ? row.label : (row.label + other) % labels;
      targets[i] = row.label;
      groups[i] = row.label * labels + background;
      write_planes(composite(part, row, background, random), 3,
                   pixels + i * 3 * params_.size * params_.size);
    });
    return out;
  }

  RgbImage composite(const Part& part, const DrawnRow& row, std::int64_t background,
                     RandomStream& random) const {
    RgbImage canvas =
        random_background(part.backgrounds[static_cast<std::size_t>(background)], random);
    if (row.confounder >= 0) {
      const auto c = static_cast<std::size_t>(row.confounder);
      const std::int64_t free = params_.size - params_.confounders[c].size,
                         down = static_cast<std::int64_t>(random.below(2)),
                         right = static_cast<std::int64_t>(random.below(2));
      paste(canvas, confounder_patch(params_.confounders[c], part.crops[c], random), down * free,
            right * free);
    }
    const EncodedImage& object = *part.foregrounds[static_cast<std::size_t>(row.label)]
                                                  [static_cast<std::size_t>(row.foreground)];
    const std::int64_t side = params_.foreground.size, begin = (params_.size - side) / 2;
    paste(canvas, resize_bilinear(decode_image(object.bytes, object.name), side, side), begin,
          begin, opacity_);
    return canvas;
  }

  RgbImage random_background(const Pool& pool, RandomStream& random) const {
    const bool flip = random.below(2) == 1;
    const RgbImage image = random_window(pool, params_.background.crop, params_.size, random);
    return flip ? mirrored(image) : image;
  }

  RgbImage confounder_patch(const ConfounderParams& confounder, const Pool& pool,
                            RandomStream& random) const {
    if (confounder.kind == ConfounderKind::square)
      return plain_square(confounder.size, *confounder.colour);
    return random_window(pool, confounder.window.value_or(confounder.size), confounder.size,
                         random);
  }

  /// A window at a random place of a random image, which is resized to the size of the data first;
  /// the window is then resized to `side`.
  RgbImage random_window(const Pool& pool, std::int64_t window, std::int64_t side,
                         RandomStream& random) const {
    const EncodedImage& drawn = *pool[static_cast<std::size_t>(random.below(pool.size()))];
    const RgbImage image =
        resize_bilinear(decode_image(drawn.bytes, drawn.name), params_.size, params_.size);
    const auto places = static_cast<std::uint64_t>(params_.size - window + 1);
    const auto row = static_cast<std::int64_t>(random.below(places));
    const auto column = static_cast<std::int64_t>(random.below(places));
    return resize_bilinear(square_window(image, row, column, window), side, side);
  }

  DataFacts facts_of(const Examples& train, const ImageArchives& archives) const {
    DataFacts facts;
    facts.name = "composites";
    facts.input_shape = train.inputs.sizes().slice(1).vec();
    facts.class_names = label_names_;
    facts.outputs = static_cast<std::int64_t>(label_names_.size());
    for (const std::string& name : label_names_) {
      for (const auto& [other, label] : params_.labels)
        facts.groups.push_back(fmt::format("{} on {}", name, fmt::join(label.background, "/")));
    }
    const ChannelStatistics statistics = channel_statistics(
        train.inputs.const_data_ptr<std::uint8_t>(), train.size(), 3, params_.size * params_.size);
    facts.mean.assign(statistics.mean.begin(), statistics.mean.end());
    facts.deviation.assign(statistics.deviation.begin(), statistics.deviation.end());
    facts.fill = facts.mean;
    facts.source = fmt::format("objects of '{}' on backgrounds of '{}', seed {}",
                               archives.name(params_.foreground.path),
                               archives.name(params_.background.path), params_.seed);
    return facts;
  }

  CompositesParams params_;
  std::vector<std::string> label_names_;
  std::vector<std::uint8_t> opacity_;  // of an object's pixels
};

}  // namespace

MODELDIFF_PLUGIN("datasets", "composites", "1.0",
                 "Objects pasted on backgrounds that go with the label", Composites,
                 CompositesParams, "{}")

}  // namespace modeldiff
