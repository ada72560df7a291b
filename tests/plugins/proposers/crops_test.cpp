#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <set>

#include "proposer_plugin.h"

namespace modeldiff::testing {
namespace {

const std::vector<std::int64_t> kCropImage{3, 32, 32};

/// The place of a window in an image, or nothing. The bench's images are noise, so it is unique.
std::optional<std::pair<std::int64_t, std::int64_t>> place_of(const at::Tensor& crop,
                                                              const at::Tensor& image) {
  const std::int64_t side = crop.size(1);
  for (std::int64_t row = 0; row + side <= image.size(1); ++row) {
    for (std::int64_t column = 0; column + side <= image.size(2); ++column) {
      if (image.narrow(1, row, side).narrow(2, column, side).equal(crop))
        return std::pair{row, column};
    }
  }
  return std::nullopt;
}

/// The class of the example that a crop is a window of.
std::int64_t class_of(const at::Tensor& crop, const Examples& train) {
  for (std::int64_t i = 0; i < train.size(); ++i) {
    if (place_of(crop, train.inputs[i])) return train.targets[i].item<std::int64_t>();
  }
  return -1;
}

std::string refusal_of(const Json& params) {
  try {
    ProposerBench("crops", kCropImage, params).propose();
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "";
}

TEST_CASE("crops are windows of the classes' examples, in one corner after the other") {
  const ProposerBench bench("crops", kCropImage, {{"classes", {"1"}}, {"count", 5}, {"size", 11}});
  const std::vector<Transformation> proposed = bench.propose();
  REQUIRE(proposed.size() == 5);
  const at::Tensor grey = at::full({2, 3, 32, 32}, 0.5);
  std::set<std::int64_t> examples;
  std::set<std::pair<std::int64_t, std::int64_t>> places;
  for (std::size_t i = 0; i < proposed.size(); ++i) {
    CAPTURE(proposed[i].label);
    const std::int64_t row = i / 2 % 2 ? 21 : 0, column = i % 2 ? 21 : 0;
    const at::Tensor out = bench.apply(proposed[i], grey), crop = proposed[i].tensors.at("crop");
    CHECK(out.narrow(2, row, 11).narrow(3, column, 11)[1].equal(crop));
    CHECK(out.select(1, 0).ne(0.5).sum().item<std::int64_t>() == 2 * 11 * 11);
    const auto example = proposed[i].parameters.at("example").get<std::int64_t>();
    CHECK(bench.train().targets[example].item<std::int64_t>() == 1);
    examples.insert(example);
    const auto place = place_of(crop, bench.train().inputs[example]);
    REQUIRE(place);
    places.insert(*place);

    RandomStream random(1);
    const Transformation placebo = *bench.proposer().placebo(proposed[i], random);
    CHECK(class_of(placebo.tensors.at("crop"), bench.train()) == 0);
    CHECK(placebo.parameters == proposed[i].parameters);
  }
  CHECK(examples.size() == 5);
  CHECK(places.size() == 5);
}

TEST_CASE("a larger window is made smaller, and sizes scale with the image") {
  Json params = {{"classes", {"0"}}, {"size", 8}, {"window", 32}};
  const ProposerBench bench("crops", kCropImage, params);
  const Transformation whole = bench.propose()[0];
  // The whole image, each pixel a mean over about four of its rows and columns: the means agree.
  const at::Tensor image = bench.train().inputs[whole.parameters.at("example").get<std::int64_t>()];
  CHECK(whole.tensors.at("crop").sizes() == at::IntArrayRef{3, 8, 8});
  CHECK(at::allclose(whole.tensors.at("crop").mean(at::IntArrayRef{1, 2}),
                     image.mean(at::IntArrayRef{1, 2}), 0, 0.02));
  CHECK(whole.tensors.at("crop").std().item<float>() < 0.5 * image.std().item<float>());
  const ProposerBench half("crops", {3, 16, 16}, params);
  CHECK(half.propose()[0].tensors.at("crop").sizes() == at::IntArrayRef{3, 4, 4});
}

TEST_CASE("crops that cannot be made are refused by key") {
  CHECK(refusal_of({{"classes", {"2"}}}) == "classes: there is no class '2'; there are 0, 1");
  CHECK(refusal_of({{"classes", {"0"}}, {"count", 13}}) ==
        "count: asks for 13 images of class '0', there are 12");
  CHECK(refusal_of({{"classes", {"0", "1"}}}) ==
        "classes: are all that there are; none is left for placebos");
}

}  // namespace
}  // namespace modeldiff::testing
