#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

#include "proposer_plugin.h"

namespace modeldiff::testing {
namespace {

const std::vector<std::int64_t> kGrey32{1, 32, 32};

/// .5 + .25 cos of so many cycles across an image, [1, 1, 32, 32].
at::Tensor waves(double cycles) {
  const at::Tensor x = at::arange(32, at::kDouble) * (2 * std::numbers::pi * cycles / 32);
  return (0.5 + 0.25 * at::cos(x)).to(at::kFloat).expand({1, 1, 32, 32}).contiguous();
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

TEST_CASE("filters keep the waves of their frequencies and the mean, and no others") {
  const ProposerBench bench("frequency", kGrey32, {{"cuts", {4, 8}}});
  const at::Tensor grey = at::full({1, 1, 32, 32}, 0.5);
  struct Filter {
    const char* label;
    bool keeps_2, keeps_6, keeps_12;
  };
  for (const Filter& filter : {Filter{"low pass: below 4 cycles an image", true, false, false},
                               Filter{"low pass: below 8 cycles an image", true, true, false},
                               Filter{"high pass: from 4 cycles an image", false, true, true},
                               Filter{"high pass: from 8 cycles an image", false, false, true},
                               Filter{"band pass: 4 to 8 cycles an image", false, true, false}}) {
    CAPTURE(filter.label);
    const auto passes = [&](double cycles, bool kept) {
      const at::Tensor out = bench.apply(filter.label, waves(cycles));
      return distance(out, kept ? waves(cycles) : grey) < 1e-6;
    };
    CHECK(passes(2, filter.keeps_2));
    CHECK(passes(6, filter.keeps_6));
    CHECK(passes(12, filter.keeps_12));
    CHECK(distance(bench.apply(filter.label, grey), grey) < 1e-6);
  }
}

TEST_CASE("a Gaussian blur damps a wave by exp(-(2 pi cycles sigma / n)^2 / 2)") {
  const ProposerBench bench("frequency", kGrey32, {{"blurs", {1.5}}});
  const at::Tensor out = bench.apply("Gaussian blur of 1.5 pixels", waves(2));
  const double expected = 0.25 * std::exp(-std::pow(2 * std::numbers::pi * 2 * 1.5 / 32, 2) / 2);
  // Away from the border, where pixels are repeated. The weights end at three standard deviations.
  CHECK(out[0][0][16][16].item<double>() - 0.5 == doctest::Approx(expected).epsilon(0.01));
}

}  // namespace
}  // namespace modeldiff::testing
