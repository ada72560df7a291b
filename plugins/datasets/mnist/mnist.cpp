// MNIST and data sets in its file format: four IDX files, plain or gzipped.

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "idx_reader.h"
#include "mnist_params.h"
#include "modeldiff/dataset.h"
#include "modeldiff/plugin.h"

namespace modeldiff {
namespace {

std::filesystem::path find_file(const std::filesystem::path& folder, const std::string& name) {
  for (const std::string& candidate : {name, name + ".gz"}) {
    if (std::filesystem::exists(folder / candidate)) return folder / candidate;
  }
  throw DataError(fmt::format("{}: holds neither '{}' nor '{}.gz'", folder.string(), name, name));
}

/// @param part "train" or "t10k"
Examples read_part(const std::filesystem::path& folder, const std::string& part,
                   std::int64_t classes) {
  const auto image_file = find_file(folder, part + "-images-idx3-ubyte");
  const auto label_file = find_file(folder, part + "-labels-idx1-ubyte");
  const IdxArray images = read_idx(image_file, 3), labels = read_idx(label_file, 1);
  const std::int64_t n = images.shape[0];
  if (n == 0 || images.values.empty()) throw DataError(image_file.string() + ": holds no images");
  if (n != labels.shape[0]) {
    throw DataError(fmt::format("{} holds {} images, {} holds {} labels", image_file.string(), n,
                                label_file.string(), labels.shape[0]));
  }
  const auto wrong = std::find_if(labels.values.begin(), labels.values.end(),
                                  [&](int label) { return label >= classes; });
  if (wrong != labels.values.end()) {
    throw DataError(fmt::format(
        "{}: label {} of example {} is not below the number of class names, {}",
        label_file.string(), static_cast<int>(*wrong), wrong - labels.values.begin(), classes));
  }
  Examples out;
  out.inputs = at::empty({n, 1, images.shape[1], images.shape[2]}, at::kByte);
  std::copy(images.values.begin(), images.values.end(), out.inputs.data_ptr<std::uint8_t>());
  out.targets = at::empty({n}, at::kLong);
  std::copy(labels.values.begin(), labels.values.end(), out.targets.data_ptr<std::int64_t>());
  return out;
}

class Mnist final : public DatasetSource {
 public:
  explicit Mnist(MnistParams params) : params_(std::move(params)) {}

  Dataset load(const Resources& resources) const override {
    const std::filesystem::path folder = resources.resolve(params_.path);
    const auto classes = static_cast<std::int64_t>(params_.class_names.size());
    Dataset data;
    data.train = read_part(folder, "train", classes);
    data.test = read_part(folder, "t10k", classes);
    data.facts.name = "mnist";
    data.facts.input_shape = data.train.inputs.sizes().slice(1).vec();
    if (data.facts.input_shape != data.test.inputs.sizes().slice(1).vec()) {
      throw ShapeError(fmt::format("{}: training images are {}, test images {}", folder.string(),
                                   shape_text(data.train.inputs), shape_text(data.test.inputs)));
    }
    data.facts.outputs = classes;
    data.facts.class_names = params_.class_names;
    data.facts.mean = {static_cast<float>(params_.mean)};
    data.facts.deviation = {static_cast<float>(params_.deviation)};
    data.facts.fill = {0.0f};
    data.facts.source = fmt::format(
        "IDX files '{}'; MNIST (LeCun, Cortes, Burges) is under CC BY-SA 3.0", params_.path.text);
    return data;
  }

 private:
  MnistParams params_;
};

}  // namespace

// `digests`: SHA-256 of MNIST's own files, unpacked, by which `modeldiff data fetch` knows them.
MODELDIFF_PLUGIN("datasets", "mnist", "1.0",
                 "MNIST and others in its IDX files, such as Fashion-MNIST", Mnist, MnistParams,
                 R"({"digests": {
  "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
  "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
  "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
  "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"}})")

}  // namespace modeldiff
