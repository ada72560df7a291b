#include "plugins/algorithms/sgd/augment.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "sgd_fixture.h"

namespace modeldiff {
namespace {

using testing::same_bytes;

constexpr std::uint64_t kAugmentSeed = 3;

DataFacts facts_of(std::int64_t channels, std::int64_t height, std::int64_t width) {
  return testing::images(1, channels, height, width).facts;
}

/// Images of random pixels in [0, 1].
at::Tensor pixels(std::int64_t n, std::int64_t channels = 3, std::int64_t height = 6,
                  std::int64_t width = 5) {
  at::Tensor x = at::empty({n, channels, height, width}, at::kFloat);
  RandomStream random(11);
  random.fill_uniform(x.mutable_data_ptr<float>(), x.numel(), 0, 1);
  return x;
}

AugmentationParams of(AugmentationKind kind) {
  AugmentationParams params;
  params.kind = kind;
  return params;
}

Batch augmented(const std::vector<AugmentationParams>& list, const at::Tensor& inputs,
                std::int64_t step = 0, std::uint64_t seed = kAugmentSeed) {
  const DataFacts facts = facts_of(inputs.size(1), inputs.size(2), inputs.size(3));
  Batch batch{inputs.clone(), at::arange(inputs.size(0)) % 3};
  Augmenter(list, facts).apply(seed, step, batch);
  return batch;
}

/// One of each kind, of some strength.
std::vector<AugmentationParams> every_kind() {
  std::vector<AugmentationParams> list;
  for (const auto& [kind, name] : Choices<AugmentationKind>::names) list.push_back(of(kind));
  list[1].pad = 2;
  list[2].pixels = 2;
  list[3].degrees = 30;
  list[4].jitter = 0.4;
  list[5].size = 3;
  list[6].region = Region{Region::Shape::square, 1, 2, 2};
  list[7].alpha = 0.3;
  list.push_back(of(AugmentationKind::crop));
  list.back().scale = 0.3;
  list.back().pad = 1;
  return list;
}

TEST_CASE("every augmentation keeps the shape, stays in [0, 1] and changes something") {
  const at::Tensor x = pixels(16);
  for (const AugmentationParams& params : every_kind()) {
    CAPTURE(static_cast<int>(params.kind));
    const Batch out = augmented({params}, x);
    CHECK(out.inputs.sizes() == x.sizes());
    CHECK(out.inputs.min().item<float>() >= 0);
    CHECK(out.inputs.max().item<float>() <= 1);
    CHECK_FALSE(same_bytes(out.inputs, x));
  }
}

TEST_CASE("an augmentation of no strength changes no bit") {
  std::vector<AugmentationParams> list = every_kind();
  list.pop_back();
  list[0].probability = 0;
  list[1].pad = 0;
  list[2].pixels = 0;
  list[3].degrees = 0;
  list[4].jitter = 0;
  list[5].size = 0;
  list[6].probability = 0;
  list[7].alpha = 0;
  for (const std::int64_t channels : {1, 3}) {
    const at::Tensor x = pixels(9, channels);
    for (const AugmentationParams& params : list) {
      CAPTURE(static_cast<int>(params.kind));
      CHECK(same_bytes(augmented({params}, x).inputs, x));
    }
  }
}

TEST_CASE("any augmentation of probability 0 changes no bit, of probability 1 every image") {
  const at::Tensor x = pixels(12);
  for (AugmentationParams params : every_kind()) {
    CAPTURE(static_cast<int>(params.kind));
    params.probability = 0;
    CHECK(same_bytes(augmented({params}, x).inputs, x));
  }
  AugmentationParams flip = of(AugmentationKind::flip);
  flip.probability = 1;
  CHECK(same_bytes(augmented({flip}, x).inputs, x.flip({3})));
}

TEST_CASE(
    "a flip turns about half of the images left to right, pixel by pixel, and leaves the others") {
  const at::Tensor x = pixels(400, 1);
  const at::Tensor out = augmented({of(AugmentationKind::flip)}, x).inputs;
  int flipped = 0;
  for (std::int64_t i = 0; i < x.size(0); ++i) {
    const bool turned = same_bytes(out[i], x[i].flip({2}));
    CHECK((turned || same_bytes(out[i], x[i])));
    flipped += turned;
  }
  // Binomial(400, 1/2): five deviations of 10.
  CHECK(std::abs(flipped - 200) < 50);
}

/// `image` [C, H, W] moved by whole pixels, fill where nothing came in.
at::Tensor moved(const at::Tensor& image, std::int64_t down, std::int64_t right,
                 const std::vector<float>& fill) {
  at::Tensor out = at::empty_like(image);
  const auto from = image.accessor<float, 3>();
  auto to = out.accessor<float, 3>();
  for (std::int64_t c = 0; c < image.size(0); ++c) {
    for (std::int64_t y = 0; y < image.size(1); ++y) {
      for (std::int64_t x = 0; x < image.size(2); ++x) {
        const std::int64_t sy = y - down, sx = x - right;
        const bool inside = sy >= 0 && sy < image.size(1) && sx >= 0 && sx < image.size(2);
        to[c][y][x] = inside ? from[c][sy][sx] : fill[c];
      }
    }
  }
  return out;
}

TEST_CASE(
    "shift and crop move images by whole pixels within their reach, and every move of it occurs") {
  const std::int64_t reach = 1;
  const at::Tensor x = pixels(120);
  const std::vector<float> fill = facts_of(3, 6, 5).fill;
  AugmentationParams shift = of(AugmentationKind::shift), crop = of(AugmentationKind::crop);
  shift.pixels = reach;
  crop.pad = reach;
  for (const AugmentationParams& params : {shift, crop}) {
    CAPTURE(static_cast<int>(params.kind));
    const at::Tensor out = augmented({params}, x).inputs;
    std::set<std::pair<std::int64_t, std::int64_t>> seen;
    for (std::int64_t i = 0; i < x.size(0); ++i) {
      for (std::int64_t down = -reach; down <= reach; ++down) {
        for (std::int64_t right = -reach; right <= reach; ++right) {
          if (same_bytes(out[i], moved(x[i], down, right, fill))) seen.emplace(down, right);
        }
      }
    }
    CHECK(seen.size() == 9);
  }
}

TEST_CASE("a rotation by 0 to 180 degrees leaves a constant image with fill in its corners alone") {
  AugmentationParams rotate = of(AugmentationKind::rotate);
  rotate.degrees = 180;
  const at::Tensor x = at::full({8, 1, 7, 7}, 0.5f);
  const at::Tensor out = augmented({rotate}, x).inputs;
  const at::Tensor half = out == 0.5f, fill = out == 0.f;
  CHECK((half | fill).all().item<bool>());
  CHECK(half.select(2, 3).select(2, 3).all().item<bool>());
  CHECK(fill.any().item<bool>());
}

TEST_CASE("a scaled crop of a linear ramp is a linear ramp of a smaller slope") {
  AugmentationParams crop = of(AugmentationKind::crop);
  crop.scale = 0.25;
  const at::Tensor x =
      (at::arange(8, at::kFloat) / 8).view({1, 1, 1, 8}).expand({20, 1, 8, 8}).contiguous();
  const at::Tensor out = augmented({crop}, x).inputs;
  for (std::int64_t i = 0; i < 20; ++i) {
    // The border columns lie within half a pixel of the edge and may be flat there.
    const at::Tensor row = out[i][0][4].slice(0, 1, 7);
    const at::Tensor slopes = row.slice(0, 1) - row.slice(0, 0, 5);
    CHECK((slopes - slopes[2]).abs().max().item<float>() < 1e-6);
    CHECK(slopes[2].item<float>() <= 0.125f + 1e-6f);
    CHECK(slopes[2].item<float>() >= 0.0625f - 1e-6f);
  }
}

TEST_CASE("colour jitter of a grey image moves it without making it coloured") {
  AugmentationParams colour = of(AugmentationKind::colour);
  colour.jitter = 0.5;
  const at::Tensor x = pixels(6, 1).expand({6, 3, 6, 5}).contiguous();
  const at::Tensor out = augmented({colour}, x).inputs;
  CHECK((out.select(1, 0) - out.select(1, 2)).abs().max().item<float>() < 1e-6);
}

TEST_CASE("cutout hides at most a square, with the fill of each channel") {
  AugmentationParams cutout = of(AugmentationKind::cutout);
  cutout.size = 3;
  const std::vector<float> fill = facts_of(3, 6, 5).fill;
  const at::Tensor x = pixels(30);
  const at::Tensor out = augmented({cutout}, x).inputs;
  for (std::int64_t i = 0; i < 30; ++i) {
    const at::Tensor changed = (out[i] != x[i]).any(0);
    CHECK(changed.sum().item<std::int64_t>() <= 9);
    CHECK(changed.sum().item<std::int64_t>() >= 4);
    for (std::int64_t c = 0; c < 3; ++c)
      CHECK((out[i][c].masked_select(changed) == fill[c]).all().item<bool>());
  }
}

TEST_CASE("erase hides its region in the given share of the images and nothing else") {
  AugmentationParams erase = of(AugmentationKind::erase);
  erase.region = Region{Region::Shape::corners, 0, 0, 1};
  erase.probability = 0.9;
  const std::vector<float> fill = facts_of(3, 6, 5).fill;
  const at::Tensor x = pixels(500);
  const at::Tensor out = augmented({erase}, x).inputs;
  const at::Tensor inside = erase.region->mask(6, 5);
  CHECK(same_bytes(out.masked_select(~inside), x.masked_select(~inside)));
  std::int64_t erased = 0;
  for (std::int64_t i = 0; i < 500; ++i)
    erased += (out[i][1].masked_select(inside) == fill[1]).all().item<bool>();
  // Binomial(500, 0.9): six deviations of 6.7.
  CHECK(std::abs(erased - 450) < 40);
}

TEST_CASE("mixup mixes inputs and targets by the same shares") {
  AugmentationParams mixup = of(AugmentationKind::mixup);
  mixup.alpha = 1;
  // Each image is constant and tells its label: 0, 0.5 or 1.
  const at::Tensor labels = at::arange(30) % 3;
  const at::Tensor x =
      (labels.to(at::kFloat) / 2).view({30, 1, 1, 1}).expand({30, 1, 4, 4}).contiguous();
  const Batch out = augmented({mixup}, x);
  CHECK(out.targets.sizes() == at::IntArrayRef({30, 3}));
  CHECK((out.targets.sum(1) - 1).abs().max().item<float>() < 1e-6);
  const at::Tensor told = at::matmul(out.targets, at::tensor({0.f, 0.5f, 1.f}));
  CHECK((told - out.inputs.select(1, 0).select(1, 0).select(1, 0)).abs().max().item<float>() <
        1e-6);
}

TEST_CASE("a symmetric beta draw has mean 1/2 and variance 1 / (4 (2 alpha + 1))") {
  for (const double alpha : {0.05, 0.4, 1.0, 3.0}) {
    CAPTURE(alpha);
    RandomStream random(5);
    constexpr int kDraws = 20000;
    double sum = 0, squares = 0;
    for (int i = 0; i < kDraws; ++i) {
      const double x = symmetric_beta(random, alpha) - 0.5;
      sum += x;
      squares += x * x;
    }
    const double variance = 1 / (4 * (2 * alpha + 1));
    // Five deviations of the mean; those of the variance are below variance / sqrt(draws) for all
    // alpha here.
    CHECK(std::abs(sum / kDraws) < 5 * std::sqrt(variance / kDraws));
    CHECK(std::abs(squares / kDraws - variance) < 5 * variance / std::sqrt(kDraws));
  }
}

TEST_CASE("draws depend on run seed, step and place alone") {
  const at::Tensor x = pixels(8);
  AugmentationParams shift = of(AugmentationKind::shift), flip = of(AugmentationKind::flip);
  shift.pixels = 2;
  CHECK(same_bytes(augmented({shift}, x, 4).inputs, augmented({shift}, x, 4).inputs));
  CHECK_FALSE(same_bytes(augmented({shift}, x, 4).inputs, augmented({shift}, x, 5).inputs));
  CHECK_FALSE(same_bytes(augmented({shift}, x, 4).inputs,
                         augmented({shift}, x, 4, kAugmentSeed + 1).inputs));
  // Another augmentation behind it does not move its draws.
  flip.probability = 0;
  CHECK(same_bytes(augmented({shift}, x, 4).inputs, augmented({shift, flip}, x, 4).inputs));
}

}  // namespace
}  // namespace modeldiff
