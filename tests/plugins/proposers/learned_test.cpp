#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>
#include <numbers>
#include <string>

#include "modeldiff/layers.h"
#include "proposer_plugin.h"

namespace modeldiff::testing {
namespace {

constexpr std::int64_t kSide = 12, kImages = 80, kRow = 3, kColumn = 7, kClass = 1, kClasses = 3;

class Logistic final : public Model {
 public:
  Logistic() { parameters_.add("head.weight", {kClasses, kSide * kSide}); }
  Weights initialise(RandomStream&) const override { return {}; }
  at::Tensor forward(const Weights& weights, const at::Tensor& inputs, Pass& pass) const override {
    return linear(pass, *this, weights, "head", inputs.flatten(1));
  }
  std::vector<std::string> head() const override { return {"head.weight"}; }
  double forward_flops() const override { return 0; }
};

at::Tensor region_of(const at::Tensor& images) {
  return images.narrow(-2, kRow, 2).narrow(-1, kColumn, 2);
}

/// Weights [classes, height, width] that both algorithms share: none in the region of 2x2 pixels.
at::Tensor common_weights() {
  const at::Tensor out = 0.2 * (drawn_images(kClasses, {kSide, kSide}, 11) - 0.5);
  region_of(out).zero_();
  return out;
}

/// What A has for class 1 in the region, and B has not.
at::Tensor region_weights() { return at::tensor({1.f, -2.f, 1.f, 2.f}).view({2, 2}); }

InputRun run_of(const at::Tensor& weights) {
  return {{std::make_shared<Logistic>(), {}}, {weights.flatten(), {}}, {}, Json::object(), {}};
}

at::Tensor with_region(const at::Tensor& weights) {
  at::Tensor out = weights.clone();
  region_of(out[kClass]) += region_weights();
  return out;
}

Examples screening_images() {
  Examples out;
  out.inputs = drawn_images(kImages, {1, kSide, kSide}, 12);
  out.targets = at::arange(kImages).remainder(kClasses);
  return out;
}

/// Four runs of each: those of A have the region, those of B do not.
ProposerBench region_bench(Json params) {
  ProposerBench bench("learned", {1, kSide, kSide}, params);
  InputRuns runs;
  for (std::int64_t i = 0; i < 4; ++i) {
    runs["A"].push_back(run_of(with_region(common_weights())));
    runs["B"].push_back(run_of(common_weights()));
  }
  bench.give(std::move(runs), screening_images());
  return bench;
}

/// Mean of p_c^A - p_c^B over the images of other classes.
double separation(const at::Tensor& images) {
  const at::Tensor x = images.flatten(1);
  const auto p = [&](const at::Tensor& weights) {
    return at::linear(x, weights.flatten(1)).softmax(1).select(1, kClass);
  };
  const at::Tensor others = screening_images().targets.ne(kClass).nonzero().squeeze(1);
  return (p(with_region(common_weights())) - p(common_weights()))
      .index_select(0, others)
      .mean()
      .item<double>();
}

TEST_CASE("a patch is learned where the models differ, and parts them as the best patch does") {
  const ProposerBench bench =
      region_bench({{"forms", {"patch"}}, {"size", 6}, {"classes", 1}, {"places", 1}});
  const std::vector<Transformation> proposed = bench.propose();
  REQUIRE(proposed.size() == 2);
  const Transformation& learned = proposed[0];
  CHECK(learned.label == "2x2 patch at row 3, column 7, learned for 1 of A over B");
  // B does not see the region, and p_c^A rises with the sum of w v over its pixels: best is v = 1
  // where w > 0 and 0 where w < 0.
  const at::Tensor best_values = region_weights().gt(0).to(at::kFloat);
  const at::Tensor images = screening_images().inputs;
  const at::Tensor best = images.clone();
  region_of(best).copy_(best_values);
  // A sigmoid comes near 0 and 1 but does not get there.
  CHECK((learned.tensors.at("values")[0] - best_values).abs().max().item<double>() < 0.05);
  const double reached = separation(bench.apply(learned, images)), most = separation(best);
  CHECK(reached <= most);
  CHECK(reached > 0.99 * most);
  CHECK(most > separation(images) + 0.2);
}

TEST_CASE("what is learned the other way round lowers what A has") {
  const ProposerBench bench =
      region_bench({{"forms", {"patch"}}, {"size", 6}, {"places", 1}, {"calm", 0}});
  // B over A for class 1 is the least of A over B.
  bool found = false;
  for (const Transformation& one : bench.propose()) {
    if (one.label != "2x2 patch at row 3, column 7, learned for 1 of B over A") continue;
    found = true;
    CHECK(separation(bench.apply(one, screening_images().inputs)) <
          separation(screening_images().inputs));
  }
  CHECK(found);
}

TEST_CASE("a calm patch leaves the other side as it is") {
  // Of the region's rows the first is A's alone, the second is A's and, a little less, B's.
  const auto with_rows = [](double first, double second) {
    at::Tensor out = common_weights();
    region_of(out[kClass]).select(0, 0).fill_(first);
    region_of(out[kClass]).select(0, 1).fill_(second);
    return out;
  };
  const at::Tensor of = with_rows(1, 1), against = with_rows(0, 0.8);
  const Examples images = screening_images();
  const auto change_of_b = [&](double calm) {
    ProposerBench bench(
        "learned", {1, kSide, kSide},
        {{"forms", {"patch"}}, {"size", 6}, {"classes", 1}, {"places", 1}, {"calm", calm}});
    bench.give({{"A", {run_of(of)}}, {"B", {run_of(against)}}}, images);
    const Transformation learned = bench.propose()[0];
    CHECK(learned.label == "2x2 patch at row 3, column 7, learned for 1 of A over B");
    CHECK(learned.tensors.at("values")[0][0].min().item<double>() > 0.9);
    const auto mean = [&](const at::Tensor& x) {
      return at::linear(x.flatten(1), against.flatten(1))
          .softmax(1)
          .select(1, kClass)
          .mean()
          .item<double>();
    };
    return std::abs(mean(bench.apply(learned, images.inputs)) - mean(images.inputs));
  };
  CHECK(change_of_b(0) > 0.05);
  // The sum of absolute changes is least where their median is 0, not their mean.
  CHECK(change_of_b(4) < 0.03);
}

TEST_CASE("an overlay has mean 0, its weight and no other frequencies, and finds a cosine") {
  // A has a cosine of the second frequency down the image for class 1, B nothing.
  const at::Tensor place = (at::arange(kSide) + 0.5) * (std::numbers::pi / kSide);
  const at::Tensor cosine = (2 * place).cos().unsqueeze(1).expand({kSide, kSide});
  at::Tensor weights = at::zeros({kClasses, kSide, kSide});
  const InputRun without = run_of(weights.clone());
  weights[kClass] = 0.1 * cosine;
  ProposerBench bench("learned", {1, kSide, kSide},
                      {{"forms", {"spectrum"}}, {"classes", 1}, {"weight", 0.25}});
  // Grey, so that nothing is clipped.
  Examples grey = screening_images();
  grey.inputs = at::full_like(grey.inputs, 0.5);
  bench.give({{"A", {run_of(weights)}}, {"B", {without}}}, grey);
  const std::vector<Transformation> proposed = bench.propose();
  REQUIRE(proposed.size() == 2);
  const at::Tensor overlay = proposed[0].tensors.at("overlay")[0];
  CHECK(proposed[0].label == "overlay of low frequencies, learned for 1 of A over B");
  CHECK(std::abs(overlay.mean().item<double>()) < 1e-6);
  CHECK(overlay.abs().max().item<double>() == doctest::Approx(0.25).epsilon(1e-5));
  CHECK(at::cosine_similarity(overlay.flatten(), cosine.flatten(), 0).item<double>() > 0.99);
}

TEST_CASE("the same seed gives the same bytes, another seed other ones") {
  const ProposerBench bench = region_bench({{"steps", 10}, {"batch", 8}});
  const auto bytes = [&](std::uint64_t seed) {
    std::string out;
    for (const Transformation& one : bench.propose(seed)) {
      for (const auto& [name, tensor] : one.tensors) {
        const at::Tensor flat = tensor.contiguous();
        out.append(static_cast<const char*>(flat.const_data_ptr()), flat.nbytes());
      }
    }
    return out;
  };
  CHECK(bytes(5) == bytes(5));
  CHECK(bytes(5) != bytes(6));
}

TEST_CASE("placebos have the pixels or the amplitudes of what was learned") {
  const ProposerBench bench = region_bench({{"steps", 10}, {"size", 6}});
  for (const Transformation& one : bench.propose()) {
    RandomStream random(1);
    const auto placebo = bench.proposer().placebo(one, random);
    REQUIRE(placebo);
    const auto tensor = [](const Transformation& some) { return some.tensors.begin()->second; };
    if (one.family == "learned_patch") {
      CHECK(std::get<0>(tensor(*placebo).flatten().sort())
                .equal(std::get<0>(tensor(one).flatten().sort())));
    } else {
      const auto amplitudes = [&](const Transformation& some) {
        return at::fft_rfft2(tensor(some)).abs();
      };
      CHECK(at::allclose(amplitudes(*placebo), amplitudes(one), 1e-4, 1e-4));
    }
  }
}

}  // namespace
}  // namespace modeldiff::testing
