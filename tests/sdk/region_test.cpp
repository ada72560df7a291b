#include "modeldiff/region.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "modeldiff/core/error.h"
#include "modeldiff/input_view.h"

namespace modeldiff {
namespace {

TEST_CASE("a square covers rows and columns as named, row first") {
  const at::Tensor mask = Region{Region::Shape::square, 1, 3, 2}.mask(4, 6);
  REQUIRE(mask.sizes() == at::IntArrayRef({4, 6}));
  for (std::int64_t row = 0; row < 4; ++row) {
    for (std::int64_t column = 0; column < 6; ++column) {
      CAPTURE(row);
      CAPTURE(column);
      const bool inside = (row == 1 || row == 2) && (column == 3 || column == 4);
      CHECK(mask[row][column].item<bool>() == inside);
    }
  }
}

TEST_CASE("corners are the four corner pixels") {
  const at::Tensor mask = Region{Region::Shape::corners}.mask(3, 5);
  CHECK(mask.sum().item<std::int64_t>() == 4);
  CHECK(mask[0][0].item<bool>());
  CHECK(mask[0][4].item<bool>());
  CHECK(mask[2][0].item<bool>());
  CHECK(mask[2][4].item<bool>());
}

TEST_CASE("a square may touch the border and not cross it") {
  CHECK(Region{Region::Shape::square, 4, 2, 4}.mask(8, 6).sum().item<std::int64_t>() == 16);
  CHECK_THROWS_WITH_AS(
      Region({Region::Shape::square, 5, 2, 4}).mask(8, 6),
      "a square of 4 x 4 pixels at row 5, column 2 leaves an image of 8 rows and 6 columns",
      ShapeError);
  CHECK_THROWS_AS(Region({Region::Shape::square, 4, 3, 4}).mask(8, 6), ShapeError);
}

TEST_CASE("hidden pixels are the fill in every channel, all others are normalised") {
  InputView view;
  view.hidden = Region{Region::Shape::square, 0, 1, 1}.mask(2, 2);
  view.fill = {0.5f, 1.f};
  view.mean = {0.5f, 0.25f};
  view.deviation = {0.5f, 0.25f};
  const at::Tensor images =
      at::tensor({0, 255, 51, 0, 255, 0, 0, 102}, at::kByte).view({1, 2, 2, 2});
  const at::Tensor shown = view.apply(images);
  const at::Tensor expected =
      at::tensor({-1.f, 0.f, -0.6f, -1.f, 3.f, 3.f, -1.f, 0.6f}).view({1, 2, 2, 2});
  CHECK((shown - expected).abs().max().item<double>() < 1e-6);
}

TEST_CASE("what hidden pixels hold is never seen") {
  InputView view;
  view.hidden = Region{Region::Shape::corners}.mask(3, 3);
  view.fill = {0.f};
  const at::Tensor one = at::rand({4, 1, 3, 3});
  at::Tensor other = one.clone();
  other.select(2, 0).select(2, 0).fill_(0.123f);
  const at::Tensor before = one.clone();
  CHECK(view.apply(one).equal(view.apply(other)));
  CHECK(one.equal(before));
}

TEST_CASE("uint8 and float32 images are shown alike, tables as they are") {
  InputView view;
  const at::Tensor bytes = at::arange(0, 240, at::kByte).view({5, 3, 4, 4});
  CHECK(view.apply(bytes).equal(bytes.to(at::kFloat) / 255));
  const at::Tensor table = at::rand({3, 2});
  CHECK(view.apply(table).equal(table));
  view.mean = {1.f, 2.f};
  CHECK((view.apply(table) - (table - at::tensor({1.f, 2.f}))).abs().max().item<double>() == 0);
}

TEST_CASE("a view that does not fit the inputs says so") {
  InputView view;
  view.hidden = at::zeros({4, 4}, at::kBool);
  view.fill = {0.f};
  CHECK_THROWS_WITH_AS(view.apply(at::zeros({2, 1, 8, 8})),
                       "pixels [4, 4] bool are hidden, but the inputs are [2, 1, 8, 8] float32",
                       ShapeError);
  CHECK_THROWS_WITH_AS(view.apply(at::zeros({2, 3, 4, 4})),
                       "fill has 1 values for inputs [2, 3, 4, 4] float32", ShapeError);
}

}  // namespace
}  // namespace modeldiff
