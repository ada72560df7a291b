#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "proposer_plugin.h"

namespace modeldiff::testing {
namespace {

/// [H, W]: which pixels of an image of ones are hidden, checked to hold the data set's fill.
at::Tensor hidden(const ProposerBench& bench, const Transformation& transformation,
                  std::vector<std::int64_t> shape) {
  shape.insert(shape.begin(), 1);
  const at::Tensor out = bench.apply(transformation, at::ones(shape))[0];
  const at::Tensor mask = out[0].ne(1);
  CHECK(out.eq(at::where(mask, 0.25f, 1.0f)).all().item<bool>());
  return mask;
}

/// True in rows [top, bottom) and columns [left, right).
at::Tensor box(std::int64_t height, std::int64_t width, std::int64_t top, std::int64_t left,
               std::int64_t bottom, std::int64_t right) {
  at::Tensor out = at::zeros({height, width}, at::kBool);
  out.slice(0, top, bottom).slice(1, left, right).fill_(true);
  return out;
}

TEST_CASE("the cells of a grid cover every pixel once, whatever the shape") {
  for (const std::vector<std::int64_t>& shape :
       {std::vector<std::int64_t>{3, 32, 32}, std::vector<std::int64_t>{1, 13, 11}}) {
    CAPTURE(shape[1]);
    const ProposerBench bench(
        "occlusions", shape,
        {{"borders", Json::array()}, {"centres", Json::array()}, {"halves", false}});
    at::Tensor covered = at::zeros({shape[1], shape[2]}, at::kLong);
    const std::vector<Transformation> cells = bench.propose();
    CHECK(cells.size() == 16);
    for (const Transformation& cell : cells) covered += hidden(bench, cell, shape).to(at::kLong);
    CHECK(covered.eq(1).all().item<bool>());
  }
}

TEST_CASE("cells, borders, centres and halves are where they say, rows first") {
  const std::vector<std::int64_t> shape{3, 32, 32};
  const ProposerBench bench("occlusions", shape);
  const auto of = [&](const char* label) { return hidden(bench, bench.find(label), shape); };
  CHECK(of("cell 1, 2 of 4x4 hidden").equal(box(32, 32, 8, 16, 16, 24)));
  CHECK(of("border of 4 hidden").equal(box(32, 32, 4, 4, 28, 28).logical_not()));
  CHECK(of("centre of 16x16 hidden").equal(box(32, 32, 8, 8, 24, 24)));
  CHECK(of("top half hidden").equal(box(32, 32, 0, 0, 16, 32)));
  CHECK(of("right half hidden").equal(box(32, 32, 0, 16, 32, 32)));
}

TEST_CASE("the placebo hides as many other pixels") {
  const std::vector<std::int64_t> shape{1, 32, 32};
  const ProposerBench bench("occlusions", shape);
  for (const Transformation& one : bench.propose()) {
    CAPTURE(one.label);
    RandomStream random(1);
    const at::Tensor mask = hidden(bench, one, shape),
                     other = hidden(bench, *bench.proposer().placebo(one, random), shape);
    CHECK(other.sum().equal(mask.sum()));
    CHECK_FALSE(other.equal(mask));
  }
}

}  // namespace
}  // namespace modeldiff::testing
