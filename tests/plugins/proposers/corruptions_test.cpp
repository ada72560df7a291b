#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>

#include "proposer_plugin.h"

namespace modeldiff::testing {
namespace {

const std::vector<std::int64_t> kRgb32{3, 32, 32};

at::Tensor corrupted(const Json& params, const std::string& label, const at::Tensor& images) {
  return ProposerBench("corruptions", images.sizes().slice(1).vec(), params).apply(label, images);
}

TEST_CASE("noise has the standard deviation asked for, and no mean") {
  const double deviation = 0.05;
  const at::Tensor grey = at::full({1, 3, 32, 32}, 0.5);
  const at::Tensor noise = corrupted({}, "Gaussian noise of 0.05", grey) - grey;
  const auto n = static_cast<double>(noise.numel());
  // Four standard errors of each.
  CHECK(std::abs(noise.std().item<double>() - deviation) < 4 * deviation / std::sqrt(2 * n));
  CHECK(std::abs(noise.mean().item<double>()) < 4 * deviation / std::sqrt(n));
}

TEST_CASE("noise is an image's own: the same again, another for another image or seed") {
  const at::Tensor images = at::cat({at::full({2, 1, 8, 8}, 0.5), at::full({1, 1, 8, 8}, 0.4)});
  const ProposerBench bench("corruptions", {1, 8, 8});
  for (const char* label : {"Gaussian noise of 0.15", "salt and pepper on 0.15 of the pixels"}) {
    CAPTURE(label);
    const Transformation noise = bench.find(label);
    const at::Tensor changes = bench.apply(noise, images) - images;
    CHECK(changes[0].equal(changes[1]));
    CHECK_FALSE((changes[0] - changes[2]).abs().max().item<float>() < 0.12);
    CHECK(bench.apply(noise, images).equal(bench.apply(noise, images)));
    for (const Transformation& other : bench.propose(/*seed=*/4)) {
      if (other.label == label)
        CHECK_FALSE(bench.apply(other, images).equal(bench.apply(noise, images)));
    }
  }
}

TEST_CASE("salt and pepper hit their share of the pixels, in all channels, half of them black") {
  const double share = 0.15;
  const at::Tensor images = at::full({4, 3, 32, 32}, 0.5) + drawn_images(4, {1, 1, 1}, 2) * 0.1;
  const at::Tensor out = corrupted({}, "salt and pepper on 0.15 of the pixels", images);
  const at::Tensor white = out.eq(1).all(1), black = out.eq(0).all(1);
  CHECK(out.ne(images).any(1).equal(white.logical_or(black)));
  const auto n = static_cast<double>(white.numel()), half = share / 2;
  const double error = 4 * std::sqrt(half * (1 - half) / n);
  CHECK(std::abs(white.to(at::kDouble).mean().item<double>() - half) < error);
  CHECK(std::abs(black.to(at::kDouble).mean().item<double>() - half) < error);
}

TEST_CASE("JPEG gives the same bytes twice and an even image within its rounding") {
  const at::Tensor images = drawn_images(2, kRgb32, 5);
  const at::Tensor once = corrupted({}, "JPEG of quality 20", images);
  CHECK(once.equal(corrupted({}, "JPEG of quality 20", images)));
  CHECK_FALSE(once.equal(images));
  for (const std::int64_t channels : {1, 3}) {
    CAPTURE(channels);
    const at::Tensor even = at::full({1, channels, 32, 32}, 128.0 / 255);
    CHECK((corrupted({}, "JPEG of quality 20", even) - even).abs().max().item<float>() < 2.0 / 255);
  }
}

TEST_CASE("JPEG loses less with a higher quality") {
  const at::Tensor images = at::avg_pool2d(drawn_images(4, {3, 64, 64}, 5), 2, 2);
  const Json params{{"qualities", {20, 60, 95}}};
  const auto loss = [&](const char* label) {
    return (corrupted(params, label, images) - images).abs().mean().item<double>();
  };
  CHECK(loss("JPEG of quality 60") < loss("JPEG of quality 20"));
  CHECK(loss("JPEG of quality 95") < loss("JPEG of quality 60"));
}

TEST_CASE("blocks hold their mean; an even image stays") {
  const at::Tensor images = drawn_images(2, kRgb32, 5);
  const at::Tensor out = corrupted({}, "blocks of 4x4 pixels", images);
  const auto first = [](const at::Tensor& x) { return x.slice(2, 4, 8).slice(3, 8, 12); };
  CHECK((first(out) - first(images).mean({2, 3}, true)).abs().max().item<float>() < 1e-6);
  const at::Tensor even = at::full({1, 3, 32, 32}, 0.3);
  CHECK(corrupted({}, "blocks of 4x4 pixels", even).equal(even));
}

TEST_CASE("blocks that the border cuts hold the mean of what is there") {
  // Rows 0 1 2 with blocks of 2: means .5, .5, 2 of (0, 1), (2).
  const at::Tensor rows = at::tensor({0.0f, 0.2f, 0.6f}).view({1, 1, 3, 1}).expand({1, 1, 3, 3});
  Transformation blocks;
  blocks.family = "pixelated";
  blocks.parameters = {{"block", 2}};
  const at::Tensor out = ProposerBench("corruptions", {1, 3, 3}).apply(blocks, rows);
  const at::Tensor expected = at::tensor({0.1f, 0.1f, 0.6f}).view({3, 1}).expand({3, 3});
  CHECK((out[0][0] - expected).abs().max().item<float>() < 1e-6);
}

TEST_CASE("three levels are 0, 1/2 and 1, the nearest") {
  const at::Tensor images = at::tensor({0.0f, 0.24f, 0.26f, 0.74f, 0.76f, 1.0f}).view({1, 1, 2, 3});
  CHECK(corrupted({}, "3 levels a channel", images)
            .flatten()
            .equal(at::tensor({0.0f, 0.0f, 0.5f, 0.5f, 1.0f, 1.0f})));
}

}  // namespace
}  // namespace modeldiff::testing
