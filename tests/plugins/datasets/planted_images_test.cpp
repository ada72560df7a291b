#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>

#include "dataset_plugin.h"
#include "fixtures.h"

using namespace modeldiff;
using namespace modeldiff::testing;

namespace {

/// Share of images whose group says that they have their own class's colour.
double own_share(const Examples& examples, std::int64_t classes) {
  return (examples.groups.remainder(classes) == examples.targets)
      .to(at::kDouble)
      .mean()
      .item<double>();
}

}  // namespace

TEST_CASE("the colour goes with the class as strongly as asked, in each part") {
  const std::int64_t classes = 3;
  const Dataset data = load_dataset(
      "planted_images", "", {{"classes", classes}, {"train", 6000}, {"test", 6000}, {"size", 8}});
  // Three standard deviations of a share of 6,000 draws: 0.0085 at .95, 0.0194 at .5.
  CHECK(std::abs(own_share(data.train, classes) - 0.95) < 0.0085);
  CHECK(std::abs(own_share(data.test, classes) - 0.5) < 0.0194);
  CHECK(at::equal(at::bincount(data.train.targets), at::full({classes}, 2000, at::kLong)));
  CHECK(at::equal(data.train.groups.floor_divide(classes), data.train.targets));
  CHECK(data.facts.groups.size() == 9);
  CHECK(data.facts.groups[1] == "disc, colour of square");
  CHECK(data.train.inputs.min().item<float>() >= 0);
  CHECK(data.train.inputs.max().item<float>() <= 1);
}

TEST_CASE("strength 0 and 1 leave no choice") {
  const Dataset data = load_dataset(
      "planted_images", "", {{"strength", 1}, {"test_strength", 0}, {"train", 100}, {"test", 100}});
  CHECK(own_share(data.train, 2) == 1);
  CHECK(own_share(data.test, 2) == 0);
}

TEST_CASE(
    "the patch has one colour per group, the same in every image, at rows and columns 1 to 4") {
  for (const std::int64_t channels : {1, 3}) {
    CAPTURE(channels);
    const std::int64_t classes = 4;
    const Dataset data = load_dataset(
        "planted_images", "",
        {{"channels", channels}, {"classes", classes}, {"train", 400}, {"strength", 0.5}});
    const at::Tensor patch = data.train.inputs.slice(2, 1, 5).slice(3, 1, 5).flatten(2);
    CHECK((patch == patch.slice(2, 0, 1)).all().item<bool>());
    const at::Tensor colour = data.train.groups.remainder(classes);
    std::vector<at::Tensor> colours;
    for (std::int64_t k = 0; k < classes; ++k) {
      const at::Tensor own = patch.index_select(0, (colour == k).nonzero().squeeze(1)).select(2, 0);
      CHECK((own == own[0]).all().item<bool>());
      for (const at::Tensor& other : colours) CHECK_FALSE(at::equal(other, own[0]));
      colours.push_back(own[0]);
    }
  }
}

TEST_CASE("without noise an image is its shape on its ground") {
  const Dataset data = load_dataset(
      "planted_images", "",
      {{"noise", 0}, {"train", 50}, {"feature", "background"}, {"channels", 1}, {"strength", 1}});
  for (std::int64_t i = 0; i < 50; ++i) {
    const float ground =
        data.train.targets[i].item<std::int64_t>() == 0 ? 0.25f : 0.5f;  // half of grey 1/2 and 2/2
    const at::Tensor image = data.train.inputs[i];
    CHECK(((image == 0.8f) | (image == ground)).all().item<bool>());
    const double share = (image == 0.8f).to(at::kDouble).mean().item<double>();
    CHECK(share > 0.1);
    CHECK(share < 0.6);
  }
}

TEST_CASE("an image does not depend on how many there are, but on the seed") {
  const Json base{{"train", 20}, {"test", 4}};
  Json larger = base, other = base;
  larger["train"] = 60;
  other["seed"] = 1;
  const Dataset a = load_dataset("planted_images", "", base),
                b = load_dataset("planted_images", "", larger),
                c = load_dataset("planted_images", "", other);
  CHECK(at::equal(a.train.inputs, b.train.inputs.slice(0, 0, 20)));
  CHECK(at::equal(a.test.inputs, b.test.inputs));
  CHECK_FALSE(at::equal(a.train.inputs, c.train.inputs));
  CHECK_FALSE(at::equal(a.train.inputs.slice(0, 0, 4), a.test.inputs));
}
