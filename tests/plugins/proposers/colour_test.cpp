#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "proposer_plugin.h"

namespace modeldiff::testing {
namespace {

at::Tensor colour(const Json& params, const std::string& label, const at::Tensor& images) {
  return ProposerBench("colour", images.sizes().slice(1).vec(), params).apply(label, images);
}

TEST_CASE("two channels change places, twice gives the image back") {
  const at::Tensor images = drawn_images(2, {3, 8, 8}, 5);
  const at::Tensor swapped = colour({}, "red and blue swapped", images);
  CHECK(swapped.equal(images.flip({1})));
  CHECK(colour({}, "red and blue swapped", swapped).equal(images));
  CHECK(colour({}, "red and green swapped", images).select(1, 2).equal(images.select(1, 2)));
}

TEST_CASE("grey has the luminance in every channel") {
  // Pure red, green and blue: .299, .587, .114.
  const at::Tensor images = at::eye(3).view({1, 3, 3, 1});
  const at::Tensor grey = colour({}, "grey", images);
  CHECK((grey[0][0] - at::tensor({0.299f, 0.587f, 0.114f}).view({3, 1})).abs().max().item<float>() <
        1e-6);
  CHECK(grey.select(1, 1).equal(grey.select(1, 0)));
}

TEST_CASE("zero strength gives the image back") {
  const at::Tensor images = drawn_images(2, {3, 8, 8}, 5);
  const Json params{{"casts", {0}},        {"rotations", {0}}, {"saturations", {1}},
                    {"brightnesses", {0}}, {"contrasts", {1}}, {"gammas", {1}},
                    {"channels", false}};
  const ProposerBench bench("colour", {3, 8, 8}, params);
  for (const Transformation& one : bench.propose()) {
    CAPTURE(one.label);
    CHECK((bench.apply(one, images) - images).abs().max().item<float>() < 1e-6);
  }
}

}  // namespace
}  // namespace modeldiff::testing
