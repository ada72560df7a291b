#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "proposer_plugin.h"

namespace modeldiff::testing {
namespace {

const std::vector<std::int64_t> kGrey32{1, 32, 32};

/// The pattern [32, 32] of a proposal of weight 1.
at::Tensor pattern(const Json& params, const std::string& label) {
  Json all = params;
  all["weights"] = {1};
  return ProposerBench("textures", kGrey32, all).find(label).tensors.at("pattern")[0];
}

at::Tensor even(const at::Tensor& x) { return x.remainder(2).eq(0).to(at::kFloat); }

TEST_CASE("upright stripes of period 4 are two light columns, two dark ones") {
  const at::Tensor expected = even(at::arange(32).floor_divide(2)).expand({32, 32});
  const Json upright{{"stripes", {{{"period", 4}, {"angle", 0}}}}};
  CHECK(pattern(upright, "1 x stripes of period 4 at 0 degrees").equal(expected));
  const Json lying{{"stripes", {{{"period", 4}, {"angle", 90}}}}};
  CHECK(pattern(lying, "1 x stripes of period 4 at 90 degrees").equal(expected.t()));
}

TEST_CASE("stripes at 45 degrees are constant along the other diagonal") {
  const Json params{{"stripes", {{{"period", 8}, {"angle", 45}}}}};
  const at::Tensor diagonal = pattern(params, "1 x stripes of period 8 at 45 degrees");
  CHECK(diagonal.slice(0, 1).slice(1, 0, 31).equal(diagonal.slice(0, 0, 31).slice(1, 1)));
}

TEST_CASE("a checker of 4 has fields of 4x4, light at the top left") {
  const at::Tensor field = at::arange(32).floor_divide(4);
  CHECK(pattern({{"checkers", {4}}}, "1 x checker of 4")
            .equal(even(field.unsqueeze(0) + field.unsqueeze(1))));
}

TEST_CASE("dots lie half a spacing from the border and a spacing apart") {
  const at::Tensor dots =
      pattern({{"dots", {{{"radius", 2}, {"spacing", 8}}}}}, "1 x dots of radius 2, 8 apart");
  // Every block of 8 x 8 is the same, and the same upside down and mirrored.
  const at::Tensor one = dots.slice(0, 0, 8).slice(1, 0, 8);
  CHECK(dots.equal(one.repeat({4, 4})));
  CHECK(one.equal(one.flip({0, 1})));
  CHECK(one[3][3].item<float>() == 1);
  CHECK(one[0][0].item<float>() == 0);
  // The area of a disc of radius 2; the pixels are a twelfth of it each.
  CHECK(std::abs(one.sum().item<double>() - 12.57) < 0.7);
}

TEST_CASE("a web has its spokes and rings where they are counted") {
  const Json params{{"webs", {{{"spokes", 8}, {"rings", 2}}}}};
  const at::Tensor web = pattern(params, "1 x web of 8 spokes and 2 rings");
  // Eight spokes: the same turned by a quarter, and transposed. Spokes lie between the two middle rows.
  CHECK((web - web.rot90()).abs().max().item<float>() < 1e-6);
  CHECK((web - web.t()).abs().max().item<float>() < 1e-6);
  CHECK(web[15].gt(0.4).all().item<bool>());
  // Down the spoke's neighbour at 22.5 degrees, x = 12 and 4.97 down: only the rings at 8 and 16 times
  // cos(22.5 degrees) = 7.4 and 14.8 are met, so 12 / cos(22.5) = 13 off the centre is dark.
  CHECK(web[16 + 4][16 + 11].item<float>() == 0);
  CHECK(web[16 + 5][16 + 13].item<float>() > 0.4);
}

TEST_CASE("the zero-mean form leaves the mean of an image as it is, the additive one raises it") {
  const ProposerBench bench("textures", kGrey32, {{"weights", {0.2}}});
  const at::Tensor grey = at::full({1, 1, 32, 32}, 0.5);
  const at::Tensor zero_mean = bench.apply("0.2 x checker of 4, zero mean", grey),
                   additive = bench.apply("0.2 x checker of 4", grey);
  CHECK(zero_mean.mean().item<double>() == doctest::Approx(0.5));
  CHECK(zero_mean.max().item<double>() == doctest::Approx(0.6));
  CHECK(additive.mean().item<double>() == doctest::Approx(0.6));
  CHECK(additive.max().item<double>() == doctest::Approx(0.7));
}

TEST_CASE("the centred form darkens by the mean of the data set beside the texture") {
  const ProposerBench bench("textures", kGrey32, {{"weights", {0.2}}, {"forms", {"centred"}}});
  // The mean of the bench's data set is .25.
  const at::Tensor out = bench.apply("0.2 x checker of 4, centred", at::full({1, 1, 32, 32}, 0.5));
  CHECK(out.min().item<double>() == doctest::Approx(0.45));
  CHECK(out.max().item<double>() == doctest::Approx(0.65));
}

TEST_CASE("weight 0 gives the image back") {
  const ProposerBench bench("textures", kGrey32, {{"weights", {0}}});
  const at::Tensor images = drawn_images(2, kGrey32, 5);
  for (const Transformation& one : bench.propose()) CHECK(bench.apply(one, images).equal(images));
}

TEST_CASE("the placebo has the texture's mean and spectrum, and other phases") {
  const ProposerBench bench("textures", {3, 12, 14});
  for (const Transformation& one : bench.propose()) {
    CAPTURE(one.label);
    RandomStream random(1);
    const at::Tensor texture = one.tensors.at("pattern"),
                     other = bench.proposer().placebo(one, random)->tensors.at("pattern");
    const auto distance = [](const at::Tensor& a, const at::Tensor& b) {
      return (a - b).abs().max().item<double>();
    };
    CHECK(distance(at::fft_rfft2(other).abs(), at::fft_rfft2(texture).abs()) < 1e-4);
    CHECK(distance(other.mean(), texture.mean()) < 1e-6);
    CHECK(distance(other, texture) > 0.1);
  }
}

}  // namespace
}  // namespace modeldiff::testing
