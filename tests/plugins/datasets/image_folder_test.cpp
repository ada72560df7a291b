#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "dataset_plugin.h"
#include "fixtures.h"

using namespace modeldiff;
using namespace modeldiff::testing;

namespace {

std::string plain_png(std::uint8_t value, std::int64_t height = 3, std::int64_t width = 2) {
  return png_bytes(height, width, plain_pixels(height, width, value, 0, 100));
}

/// Counts and channel sums of a part against Pillow's.
void check_part(const Examples& examples, const DataFacts& facts, const Json& known) {
  CHECK(examples.size() == known.at("images").get<std::int64_t>());
  CHECK(facts.outputs == known.at("classes").get<std::int64_t>());
  const at::Tensor counts = at::bincount(examples.targets, {}, facts.outputs);
  CHECK((counts == known.at("images_of_each_class").get<std::int64_t>()).all().item<bool>());
  const at::Tensor sums = examples.inputs.sum(at::IntArrayRef{0, 2, 3});
  CHECK(at::equal(sums, at::tensor(known.at("sums").get<std::vector<std::int64_t>>())));
}

void check_archive(const std::string& name) {
  const auto folder = find_data(name);
  if (!folder) return;
  const Dataset data = load_dataset("image_folder", *folder, {{"path", name}});
  CHECK(data.facts.input_shape == std::vector<std::int64_t>{3, 32, 32});
  check_part(data.train, data.facts, baselines().at(name).at("train"));
  check_part(data.test, data.facts, baselines().at(name).at("test"));
  for (std::int64_t c = 0; c < 3; ++c) {
    const at::Tensor pixels = data.train.inputs.select(1, c).to(at::kDouble).div_(255);
    const auto channel = static_cast<std::size_t>(c);
    CHECK(data.facts.mean[channel] == doctest::Approx(pixels.mean().item<double>()).epsilon(1e-6));
    CHECK(data.facts.deviation[channel] ==
          doctest::Approx(pixels.var(false).sqrt().item<double>()).epsilon(1e-6));
  }
  CHECK(data.facts.fill == data.facts.mean);
}

}  // namespace

TEST_CASE("60,000 CIFAR-10 images as JPEG decode to Pillow's pixels") {
  check_archive("cifar10-jpeg.tar.gz");
}

TEST_CASE("30,000 CIFAR-100 images as PNG decode to Pillow's pixels") {
  check_archive("cifar100-png-subset.tar");
}

TEST_CASE("the number of threads changes no byte, nor which broken image is named") {
  TarBuilder tar;
  for (int i = 0; i < 400; ++i) {
    const std::string name =
        std::string(i % 2 ? "odd" : "even") + "/" + std::to_string(1000 + i) + ".png";
    tar.file(name, plain_png(static_cast<std::uint8_t>(i)));
  }
  const TemporaryFolder folder;
  folder.write("good.tar", tar.bytes());
  folder.write(
      "bad.tar",
      tar.file("odd/1200.jpg", "\xff\xd8 no image").file("odd/1300.jpg", "nothing").bytes());
  const auto load = [&](const char* path, int threads) {
    return load_dataset("image_folder", folder.path(), {{"path", path}, {"threads", threads}});
  };
  const Dataset one = load("good.tar", 1);
  for (const int threads : {2, 5, 0}) {
    CAPTURE(threads);
    CHECK(at::equal(load("good.tar", threads).train.inputs, one.train.inputs));
    CHECK(contains(error_of<DataError>([&] { load("bad.tar", threads); }),
                   "bad.tar: odd/1200.jpg: is a corrupt JPEG image"));
  }
}

TEST_CASE("without train/ and test/ each class gives its share to the test part") {
  const TemporaryFolder folder;
  for (int i = 0; i < 10; ++i)
    folder.write("f/a/" + std::to_string(i) + ".png", plain_png(static_cast<std::uint8_t>(i)));
  for (int i = 0; i < 5; ++i)
    folder.write("f/b/" + std::to_string(i) + ".png",
                 plain_png(static_cast<std::uint8_t>(100 + i)));
  folder.write("f/notes.txt", "no image");
  const auto load = [&](int seed) {
    return load_dataset("image_folder", folder.path(), {{"path", "f"}, {"split_seed", seed}});
  };
  const Dataset data = load(0);
  CHECK(at::equal(at::bincount(data.train.targets), at::tensor(std::vector<std::int64_t>{8, 4})));
  CHECK(at::equal(at::bincount(data.test.targets), at::tensor(std::vector<std::int64_t>{2, 1})));
  const at::Tensor reds =
      at::cat({data.train.inputs, data.test.inputs}).select(1, 0).flatten(1).select(1, 0);
  CHECK(at::equal(
      std::get<0>(reds.sort()),
      at::tensor(std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 100, 101, 102, 103, 104})
          .to(at::kByte)));
  CHECK(at::equal(load(0).test.inputs, data.test.inputs));
  bool differs = false;
  for (const int seed : {1, 2, 3}) differs |= !at::equal(load(seed).test.inputs, data.test.inputs);
  CHECK(differs);
}

TEST_CASE("superclasses keep the folder as group, and left out classes are not there") {
  const TemporaryFolder folder;
  for (const char* part : {"train", "test"}) {
    for (const char* name : {"apple", "bear", "cat", "dog"})
      folder.write(std::string("f/") + part + "/" + name + "/1.png", plain_png(7));
  }
  const Dataset data = load_dataset(
      "image_folder", folder.path(),
      {{"path", "f"}, {"classes", {"dog", "bear", "cat"}}, {"merge", {{"pet", {"cat", "dog"}}}}});
  CHECK(data.facts.class_names == std::vector<std::string>{"pet", "bear"});
  CHECK(data.facts.groups == std::vector<std::string>{"apple", "bear", "cat", "dog"});
  CHECK(at::equal(data.train.targets, at::tensor(std::vector<std::int64_t>{1, 0, 0})));
  CHECK(at::equal(data.train.groups, at::tensor(std::vector<std::int64_t>{1, 2, 3})));
}

TEST_CASE("images of several sizes are refused, or resized; grey is one channel") {
  const TemporaryFolder folder;
  for (const char* part : {"train", "test"}) {
    folder.write(std::string("f/") + part + "/a/1.png", plain_png(200, 3, 2));
    folder.write(std::string("f/") + part + "/b/1.png", plain_png(10, 8, 9));
  }
  const std::string error =
      error_of<DataError>([&] { load_dataset("image_folder", folder.path(), {{"path", "f"}}); });
  CHECK(contains(error, "test/b/1.png: is 8 x 9 pixels"));
  CHECK(contains(error, "`size` resizes them all"));
  const Dataset data =
      load_dataset("image_folder", folder.path(), {{"path", "f"}, {"size", 4}, {"channels", 1}});
  CHECK(data.train.inputs.sizes().vec() == std::vector<std::int64_t>{2, 1, 4, 4});
  CHECK((data.train.inputs[0] == (299 * 200 + 114 * 100 + 500) / 1000).all().item<bool>());
  CHECK(data.facts.mean.size() == 1);
}

TEST_CASE("an archive of images that cannot be trusted is refused") {
  const TemporaryFolder folder;
  const auto error = [&](const TarBuilder& tar, Json params = Json::object()) {
    folder.write("x.tar", tar.bytes());
    params["path"] = "x.tar";
    return error_of<Error>([&] { load_dataset("image_folder", folder.path(), params); });
  };
  const auto good = [] {
    return TarBuilder()
        .file("train/a/1.png", plain_png(1))
        .file("train/b/1.png", plain_png(1))
        .file("test/a/1.png", plain_png(1));
  };
  CHECK(error(good()) == "");
  CHECK(contains(error(good().file("../train/b/2.png", plain_png(1))), "leads out of the archive"));
  CHECK(contains(error(good().special("train/b/2.png", '2', "/etc/passwd")), "is a symbolic link"));
  CHECK(contains(error(good().file("train/b/2.png", plain_png(1).substr(0, 60))),
                 "x.tar: train/b/2.png: is a corrupt PNG image"));
  CHECK(contains(
      error(TarBuilder().file("train/a/1.png", plain_png(1)).file("train/b/1.png", plain_png(1))),
      "the test part has no images"));
  CHECK(contains(error(good(), {{"memory_limit", 1e-8}}),
                 "memory_limit: 3 images of 3 x 3 x 2 need 54 bytes"));
  CHECK(contains(error(good(), {{"channels", 2}}), "channels: must be 1 or 3"));
  CHECK(
      contains(error(good(), {{"mean", {0.5}}}), "mean: has 1 values, the images have 3 channels"));
}
