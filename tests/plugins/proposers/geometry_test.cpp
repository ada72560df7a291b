#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "proposer_plugin.h"

namespace modeldiff::testing {
namespace {

const std::vector<std::int64_t> kColour32{3, 32, 32};

at::Tensor geometry(const Json& params, const std::string& label, const at::Tensor& images) {
  return ProposerBench("geometry", images.sizes().slice(1).vec(), params).apply(label, images);
}

TEST_CASE("a shift down by 2 moves each pixel two rows down, and the first row is repeated") {
  const at::Tensor images = drawn_images(2, kColour32, 5);
  const at::Tensor down = geometry({}, "shifted down by 2", images);
  CHECK(down.slice(2, 2).equal(images.slice(2, 0, 30)));
  CHECK(down.slice(2, 0, 2).equal(images.slice(2, 0, 1).expand({2, 3, 2, 32})));
}

TEST_CASE("shifts to the four sides") {
  const at::Tensor images = drawn_images(2, kColour32, 5);
  CHECK(geometry({}, "shifted up by 4", images).slice(2, 0, 28).equal(images.slice(2, 4)));
  CHECK(geometry({}, "shifted left by 4", images).slice(3, 0, 28).equal(images.slice(3, 4)));
  CHECK(geometry({}, "shifted right by 4", images).slice(3, 4).equal(images.slice(3, 0, 28)));
}

TEST_CASE("shifts scale with the image") {
  const at::Tensor images = drawn_images(1, {1, 16, 16}, 5);
  CHECK(geometry({}, "shifted right by 1", images).slice(3, 1).equal(images.slice(3, 0, 15)));
}

TEST_CASE("flips are those of tensors, and two give the image back") {
  const at::Tensor images = drawn_images(2, {3, 12, 14}, 5);
  const at::Tensor mirrored = geometry({}, "left and right mirrored", images);
  CHECK(mirrored.equal(images.flip({3})));
  CHECK(geometry({}, "left and right mirrored", mirrored).equal(images));
  CHECK(geometry({}, "top and bottom mirrored", images).equal(images.flip({2})));
}

TEST_CASE("a quarter turn of a square is clockwise and exact, and four give the image back") {
  const at::Tensor images = drawn_images(2, kColour32, 5);
  at::Tensor turned = images;
  for (int quarter = 0; quarter < 4; ++quarter) {
    const at::Tensor expected = turned.rot90(-1, {2, 3});
    turned = geometry({}, "rotated by 90 degrees", turned);
    CHECK(turned.equal(expected));
  }
  CHECK(turned.equal(images));
}

TEST_CASE("a half turn is exact on every shape") {
  const at::Tensor images = drawn_images(2, {1, 9, 14}, 5);
  CHECK(geometry({{"rotations", {180}}}, "rotated by 180 degrees", images)
            .equal(images.flip({2, 3})));
}

TEST_CASE("zero strength gives the image back") {
  const at::Tensor images = drawn_images(2, kColour32, 5);
  const Json params{{"rotations", {0}}, {"scales", {1}}, {"shears", {0}}};
  for (const char* label : {"rotated by 0 degrees", "scaled by 1", "sheared by 0"})
    CHECK(geometry(params, label, images).equal(images));
}

TEST_CASE("scaled by 2, each pixel is read at half its distance from the centre") {
  // A ramp over columns, linear between pixels: 0, 1/31, .., 1.
  const at::Tensor images =
      at::linspace(0, 1, 32).view({1, 1, 1, 32}).expand({1, 1, 32, 32}).contiguous();
  const at::Tensor expected = ((at::arange(32, at::kDouble) - 15.5) / 2 + 15.5) / 31;
  const at::Tensor scaled = geometry({{"scales", {2}}}, "scaled by 2", images)[0][0][7];
  CHECK((scaled - expected).abs().max().item<double>() < 1e-6);
}

TEST_CASE("a shear moves rows below the centre right, above it left") {
  // Rows 14, 15 | 16, 17 lie -1.5, -.5 | .5, 1.5 off the centre; sheared by 2 that is -3, -1 | 1, 3.
  const at::Tensor images = drawn_images(1, kColour32, 5);
  const at::Tensor sheared = geometry({{"shears", {2}}}, "sheared by 2", images);
  CHECK(sheared.select(2, 17).slice(2, 3).equal(images.select(2, 17).slice(2, 0, 29)));
  CHECK(sheared.select(2, 15).slice(2, 0, 31).equal(images.select(2, 15).slice(2, 1)));
}

}  // namespace
}  // namespace modeldiff::testing
