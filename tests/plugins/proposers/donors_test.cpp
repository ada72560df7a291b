#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <set>

#include "plugins/proposers/donors/changes.h"
#include "proposer_plugin.h"

namespace modeldiff::testing {
namespace {

double farthest(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

TEST_CASE("an image that gets its own phases or amplitudes stays") {
  for (const std::vector<std::int64_t>& shape :
       {std::vector<std::int64_t>{3, 8, 8}, std::vector<std::int64_t>{1, 9, 7}}) {
    const at::Tensor image = drawn_images(1, shape, 5);
    CHECK(farthest(with_phase(image, image[0]), image) < 1e-6);
    CHECK(farthest(with_amplitude(image, image[0]), image) < 1e-6);
  }
}

TEST_CASE("a shifted donor's phases shift the image, its amplitudes do nothing") {
  const at::Tensor image = drawn_images(1, {3, 8, 8}, 5);
  const at::Tensor moved = image.roll({2, 3}, {2, 3});
  CHECK(farthest(with_phase(image, moved[0]), moved) < 1e-5);
  CHECK(farthest(with_amplitude(image, moved[0]), image) < 1e-5);
}

TEST_CASE("an image that gets its own style stays") {
  for (const std::int64_t channels : {1, 3}) {
    CAPTURE(channels);
    const at::Tensor image = drawn_images(1, {channels, 8, 8}, 5);
    CHECK(farthest(with_style(image, channel_statistics(image)), image) < 1e-6);
  }
}

TEST_CASE("an image that gets a style has its mean and covariance") {
  const at::Tensor images = drawn_images(2, {3, 16, 16}, 5),
                   others = drawn_images(5, {3, 16, 16}, 6).square();
  const ChannelStatistics style = channel_statistics(others);
  const at::Tensor out = with_style(images, style);
  for (std::int64_t i = 0; i < 2; ++i) {
    const ChannelStatistics got = channel_statistics(out.narrow(0, i, 1));
    CHECK(farthest(got.mean, style.mean) < 1e-6);
    // The least variance, 1e-4 of variances of .08, is in both roots.
    CHECK(farthest(got.covariance, style.covariance) < 2e-4);
  }
}

TEST_CASE("the ellipse of all of a square is its disc, and keeps the middle") {
  const at::Tensor disc = ellipse(32, 32, 1);
  CHECK(disc[16][0].item<bool>());
  CHECK_FALSE(disc[0][0].item<bool>());
  CHECK(std::abs(disc.to(at::kDouble).mean().item<double>() - 0.785) < 0.01);
  // Twice as wide as high.
  const at::Tensor wide = ellipse(16, 32, 0.5);
  CHECK(wide[8].sum().item<std::int64_t>() == 16);
  CHECK(wide.select(1, 16).sum().item<std::int64_t>() == 8);
}

TEST_CASE("the most unusual window is the one that was painted, rows first") {
  const at::Tensor mean = drawn_images(1, {3, 12, 14}, 5)[0] * 0.5;
  at::Tensor image = mean.clone();
  image.narrow(1, 3, 4).narrow(2, 7, 4) += 0.3;
  const Window window = most_unusual_window(image, mean, 4);
  CHECK(window.row == 3);
  CHECK(window.column == 7);
}

TEST_CASE("donors are the strongest examples of the end that is named") {
  const ProposerBench bench("donors", {3, 32, 32}, {{"spectra", 2}, {"crops", 2}, {"style", 4}});
  std::set<std::int64_t> spectra, crops, first_background, last_background;
  for (const Transformation& one : bench.propose()) {
    CHECK(one.direction == 0);
    const auto example = one.parameters.value("example", std::int64_t{-1});
    if (one.family == "phase_from_donor") spectra.insert(example);
    if (one.family == "crop_from_donor") crops.insert(example);
    if (one.family == "background_from_donor") {
      (one.label.find("positive") != std::string::npos ? first_background : last_background)
          .insert(example);
    }
  }
  const std::int64_t last = ProposerBench::kExamples - 1;
  CHECK(spectra == std::set<std::int64_t>{0, 1});
  CHECK(crops == std::set<std::int64_t>{0, 1});
  CHECK(first_background == std::set<std::int64_t>{0, 1});
  CHECK(last_background == std::set<std::int64_t>{last, last - 1});
}

TEST_CASE("a background keeps the middle of the image and has the donor's border") {
  const ProposerBench bench("donors", {3, 32, 32});
  const at::Tensor images = drawn_images(2, {3, 32, 32}, 5);
  const at::Tensor out =
      bench.apply("background of example 0, direction 1 of A, positive end", images);
  const at::Tensor kept = ellipse(32, 32, 0.8);
  CHECK(out.equal(at::where(kept, images, bench.train().inputs[0])));
}

TEST_CASE("a window of the donor is pasted at its place or in the corner") {
  const ProposerBench bench("donors", {3, 32, 32});
  const at::Tensor images = drawn_images(2, {3, 32, 32}, 5);
  const std::string end = ", direction 1 of A, positive end";
  const Transformation there = bench.find("8x8 window of example 1 at its place" + end),
                       corner = bench.find("8x8 window of example 1 in the corner" + end);
  const Window from{there.parameters.at("row"), there.parameters.at("column"), 8}, top{0, 0, 8};
  const at::Tensor donor = bench.train().inputs[1];
  CHECK(from.of(bench.apply(there, images)).equal(from.of(donor).expand({2, 3, 8, 8})));
  CHECK(top.of(bench.apply(corner, images)).equal(from.of(donor).expand({2, 3, 8, 8})));
  CHECK((bench.apply(there, images) != images).sum().item<std::int64_t>() <= 2 * 3 * 64);
}

TEST_CASE("the placebo's donor is of the same class and not at the end") {
  const ProposerBench bench("donors", {3, 32, 32}, {{"crops", 4}, {"style", 4}});
  RandomStream random(1);
  for (const Transformation& one : bench.propose()) {
    if (one.family != "phase_from_donor") continue;
    const auto example = one.parameters.at("example").get<std::int64_t>();
    const at::Tensor other = bench.proposer().placebo(one, random)->tensors.at("donor");
    std::int64_t row = 0;
    while (!bench.train().inputs[row].equal(other)) ++row;
    CHECK(row >= 4);
    CHECK(row % 2 == example % 2);
  }
}

}  // namespace
}  // namespace modeldiff::testing
