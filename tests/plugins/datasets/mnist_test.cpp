#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "dataset_plugin.h"
#include "fixtures.h"

using namespace modeldiff;
using namespace modeldiff::testing;

namespace {

/// Two training and one test image of 2x2 pixels.
void write_small(const TemporaryFolder& folder) {
  folder.write("m/train-images-idx3-ubyte", idx_bytes({2, 2, 2}, "abcdefgh"));
  folder.write("m/train-labels-idx1-ubyte.gz", gzipped(idx_bytes({2}, std::string("\x01\x00", 2))));
  folder.write("m/t10k-images-idx3-ubyte.gz", gzipped(idx_bytes({1, 2, 2}, "ijkl")));
  folder.write("m/t10k-labels-idx1-ubyte", idx_bytes({1}, "\x02"));
}

}  // namespace

TEST_CASE("MNIST has its published counts and pixels") {
  const auto folder = find_data("mnist");
  if (!folder) return;
  const Dataset data = load_dataset("mnist", *folder);
  for (const auto& [part, examples] :
       {std::pair<const char*, const Examples&>{"train", data.train}, {"t10k", data.test}}) {
    CAPTURE(part);
    const Json& known = baselines().at("mnist").at(part);
    const auto shape = known.at("shape").get<std::vector<std::int64_t>>();
    CHECK(examples.inputs.sizes().vec() ==
          std::vector<std::int64_t>{shape[0], 1, shape[1], shape[2]});
    CHECK((examples.inputs.scalar_type() == at::kByte));
    CHECK(examples.inputs.sum().item<std::int64_t>() == known.at("sum").get<std::int64_t>());
    CHECK(at::equal(at::bincount(examples.targets),
                    at::tensor(known.at("classes").get<std::vector<std::int64_t>>())));
    CHECK(at::equal(examples.targets.slice(0, 0, 10),
                    at::tensor(known.at("first_labels").get<std::vector<std::int64_t>>())));
  }
  CHECK(data.facts.outputs == 10);
  CHECK(data.facts.mean == std::vector<float>{0.13f});
}

TEST_CASE("plain and gzipped files may stand side by side, and classes may have names") {
  const TemporaryFolder folder;
  write_small(folder);
  const Dataset data =
      load_dataset("mnist", folder.path(),
                   {{"path", "m"}, {"class_names", {"shirt", "coat", "bag"}}, {"mean", 0.5}});
  CHECK(at::equal(data.train.inputs.flatten(), at::arange(97, 105, at::kByte)));
  CHECK(at::equal(data.train.targets, at::tensor(std::vector<std::int64_t>{1, 0})));
  CHECK(data.test.inputs[0][0][1][0].item<int>() == 'k');
  CHECK(data.facts.class_names == std::vector<std::string>{"shirt", "coat", "bag"});
  CHECK(data.facts.outputs == 3);
  CHECK(data.facts.mean == std::vector<float>{0.5f});
}

TEST_CASE("files of MNIST that do not fit together are refused") {
  const TemporaryFolder folder;
  write_small(folder);
  const auto error = [&](const Json& params = {{"path", "m"}}) {
    return error_of<Error>([&] { load_dataset("mnist", folder.path(), params); });
  };
  CHECK(contains(
      error({{"path", "m"}, {"class_names", {"a", "b"}}}),
      "t10k-labels-idx1-ubyte: label 2 of example 0 is not below the number of class names, 2"));
  folder.write("m/train-labels-idx1-ubyte", idx_bytes({3}, "\x01\x01\x01"));
  CHECK(contains(error(), "train-images-idx3-ubyte holds 2 images, "));
  folder.write("m/train-labels-idx1-ubyte", idx_bytes({2}, "\x01\x01"));
  folder.write("m/t10k-images-idx3-ubyte", idx_bytes({1, 1, 4}, "ijkl"));
  CHECK(
      contains(error(), "training images are [2, 1, 2, 2] uint8, test images [1, 1, 1, 4] uint8"));
  folder.write("m/t10k-images-idx3-ubyte", idx_bytes({0, 28, 28}, ""));
  CHECK(contains(error(), "holds no images"));
  std::filesystem::remove(folder.path() / "m/train-images-idx3-ubyte");
  CHECK(contains(error(),
                 "holds neither 'train-images-idx3-ubyte' nor 'train-images-idx3-ubyte.gz'"));
}
