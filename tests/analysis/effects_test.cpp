#include "analysis/effects.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "drawn.h"
#include "modeldiff/core/error.h"

using namespace modeldiff;
using namespace modeldiff::testing;

namespace {

constexpr std::int64_t kRuns = 4, kImages = 30, kClasses = 5, kPixels = 12;

at::Tensor drawn_labels() { return at::arange(kImages, at::kLong).remainder(kClasses); }

/// Linear logits of every run. @param inputs [I, pixels] @return [R, I, C]
at::Tensor logits(const at::Tensor& weights, const at::Tensor& inputs) {
  return at::matmul(inputs.unsqueeze(0), weights.transpose(1, 2));
}

/// [R, I] effects around `mean` that vary over runs and images.
at::Tensor effects_of(std::uint64_t seed, double mean, std::int64_t runs = 20,
                      double spread = 0.01) {
  return mean + spread * normal(seed, {runs, 1}) + spread * normal(seed + 1, {runs, 40});
}

}  // namespace

TEST_CASE("the identity and a model that answers the same to everything have effect 0 exactly") {
  const at::Tensor before = normal(1, {kRuns, kImages, kClasses}).softmax(2);
  CHECK(treatment_effects(before, before, drawn_labels()).abs().max().item<double>() == 0);
  CHECK(changed_predictions(before, before).abs().max().item<double>() == 0);
  const at::Tensor constant =
      normal(2, {kRuns, 1, kClasses}).softmax(2).expand({kRuns, kImages, kClasses});
  CHECK(treatment_effects(constant, constant.clone(), drawn_labels()).abs().max().item<double>() ==
        0);
}

TEST_CASE("the logit effect of a linear model is W_c (F(x) - x)") {
  const at::Tensor weights = normal(1, {kRuns, kClasses, kPixels});
  const at::Tensor inputs = normal(2, {kImages, kPixels});
  const at::Tensor shift = normal(3, {kPixels});
  const at::Tensor effects =
      treatment_effects(logits(weights, inputs), logits(weights, inputs + shift), drawn_labels());
  CHECK(largest_difference(effects, at::matmul(weights, shift)) < 1e-6);
}

TEST_CASE("changed predictions are counted run by run, whatever they change to") {
  const at::Tensor before = at::eye(kClasses).slice(0, 0, 1).expand({2, 4, kClasses});
  at::Tensor after = before.clone();
  after[1][0] = at::eye(kClasses)[1];
  after[1][1] = at::eye(kClasses)[2];
  after[1][2] = 2 * before[1][2];
  CHECK(at::equal(changed_predictions(before, after), at::tensor({0.0, 0.5}, at::kDouble)));
}

TEST_CASE("an effect on predictions counts images of other classes that become the class") {
  // Four images of class 0 and one of class 1, all predicted as 0; after it run 1 predicts three of
  // the former as 1.
  const at::Tensor before = at::eye(2).slice(0, 0, 1).expand({2, 5, 2});
  const at::Tensor labels = at::tensor({0, 0, 0, 0, 1}, at::kLong);
  at::Tensor after = before.clone();
  after[1].narrow(0, 0, 3).copy_(at::eye(2)[1].expand({3, 2}));
  const at::Tensor effects = prediction_effects(before, after, labels);
  CHECK(at::equal(effects[0], at::zeros({2}, at::kDouble)));
  CHECK(effects[1][0].item<double>() == 0);
  CHECK(effects[1][1].item<double>() == 0.75);
}

TEST_CASE("the claim told first is a discovery where there is one") {
  Verification verification;
  verification.effects.resize(2);
  verification.effects[0].discovery = true;
  verification.effects[0].bound = 0.01;
  verification.effects[1].bound = 0.02;
  verification.ranking = {1, 0};
  CHECK(leading_claim(verification) == 0);
  verification.effects[0].discovery = false;
  CHECK(leading_claim(verification) == 1);
}

TEST_CASE("effects on probabilities sum to 0 over classes, image by image") {
  const at::Tensor before = normal(1, {kRuns, kImages, kClasses}).softmax(2);
  const at::Tensor after = normal(2, {kRuns, kImages, kClasses}).softmax(2);
  const at::Tensor by_source = effects_by_source_class(before, after, drawn_labels());
  CHECK(by_source.sum(2).abs().max().item<double>() < 1e-6);
}

TEST_CASE("the effect on a class is the mean over images of other classes only") {
  const at::Tensor before = normal(1, {kRuns, kImages, kClasses}).softmax(2);
  const at::Tensor after = normal(2, {kRuns, kImages, kClasses}).softmax(2);
  const at::Tensor effects = treatment_effects(before, after, drawn_labels());
  const at::Tensor by_source = effects_by_source_class(before, after, drawn_labels());
  for (std::int64_t c = 0; c < kClasses; ++c) {
    CAPTURE(c);
    const at::Tensor by_image = effect_by_image(before, after, drawn_labels(), c);
    CHECK(by_image.size(1) == kImages - kImages / kClasses);
    CHECK(largest_difference(by_image.mean(1), effects.select(1, c)) < 1e-12);
    // Classes are of one size here: the mean over the other classes' means.
    const at::Tensor others =
        (by_source.select(2, c).sum(1) - by_source.select(2, c).select(1, c)) / (kClasses - 1);
    CHECK(largest_difference(others, effects.select(1, c)) < 1e-12);
  }
  const at::Tensor alone = treatment_effects(before, after, at::zeros({kImages}, at::kLong));
  CHECK(alone.select(1, 0).isnan().all().item<bool>());
  CHECK(at::isfinite(alone.narrow(1, 1, kClasses - 1)).all().item<bool>());
}

TEST_CASE(
    "screening keeps the clearest class, few of a family, and all that was named beforehand") {
  const auto entry = [](std::string family, std::uint64_t seed, double shift) {
    ScreenEntry out;
    out.family = std::move(family);
    out.effects_a = 0.01 * normal(seed, {5, kClasses});
    out.effects_a.select(1, 2) += shift;
    out.effects_b = 0.01 * normal(seed + 50, {5, kClasses});
    return out;
  };
  std::vector<ScreenEntry> entries;
  for (int i = 0; i < 6; ++i) entries.push_back(entry("patch", 10 + i, 0.5 + i));
  entries.push_back(entry("blur", 30, 0.1));
  entries.push_back(entry("named", 31, 0.0));
  entries.back().preregistered = true;
  entries.back().target_class = 4;

  const std::vector<Screened> kept = screen(entries, {.keep = 4, .per_family = 3});
  REQUIRE(kept.size() == 5);
  CHECK(kept[0].entry == 7);
  CHECK(kept[0].target_class == 4);
  std::size_t patches = 0;
  for (std::size_t i = 1; i < kept.size(); ++i) {
    CHECK(kept[i].target_class == 2);
    CHECK(kept[i].difference > 0.05);
    if (i > 1) CHECK(kept[i].bound <= kept[i - 1].bound);
    patches += entries[kept[i].entry].family == "patch";
  }
  CHECK(patches == 3);
}

TEST_CASE("screening takes a large effect before a tiny one of which no run of B sees anything") {
  ScreenEntry entry{"patch",
                    1e-7 * normal(1, {5, kClasses}) + 1e-4,
                    at::zeros({5, kClasses}, at::kDouble),
                    false,
                    {}};
  entry.effects_a.select(1, 3).copy_(0.02 * normal(2, {5}) + 0.2);
  const std::vector<Screened> kept = screen(std::vector<ScreenEntry>{entry});
  REQUIRE(kept.size() == 1);
  CHECK(kept[0].target_class == 3);
  CHECK(kept[0].bound > 0.1);
  CHECK(kept[0].bound < kept[0].difference);
}

TEST_CASE("the leading claim is the sharpest form of the largest difference in kind") {
  const auto leading = [](const std::vector<VerifyEntry>& entries) {
    return leading_claim(verify(entries));
  };
  const VerifyEntry more{effects_of(1, 0.40), effects_of(2, 0.10)};  // the largest, but both rely
  const VerifyEntry blunt{effects_of(3, 0.12), effects_of(4, 0.004, 20, 0.001)};
  const VerifyEntry sharp{effects_of(5, 0.09), effects_of(6, 0.0, 20, 0.0001)};
  const VerifyEntry small{effects_of(7, 0.04), effects_of(8, 0.0, 20, 0.0)};  // another difference
  CHECK(leading({more, blunt, sharp, small}) == 2);
  CHECK(leading({more, small, blunt}) == 2);
  CHECK(leading({small, more}) == 0);
  CHECK(leading({more}) == 0);
  const auto on_part = [](VerifyEntry entry) {
    entry.extent = 0.1;
    return entry;
  };
  CHECK(leading({blunt, sharp, on_part(small)}) == 2);  // before any of the whole image
  CHECK(leading({on_part(more), sharp}) == 1);          // a difference in kind before any in size
  // Less than "relies" asks for, and B does not respond: still a difference in kind.
  const VerifyEntry faint{effects_of(9, 0.015, 20, 0.002), effects_of(10, 0.0, 20, 0.0001)};
  CHECK(verify(std::vector{faint}).effects[0].claim == Claim::a_relies_more);
  CHECK(leading({more, sharp, on_part(faint)}) == 2);
  CHECK(leading({more, faint}) == 1);
  const VerifyEntry fainter{effects_of(11, 0.008, 20, 0.002), effects_of(12, 0.0, 20, 0.0001)};
  CHECK(leading({sharp, on_part(fainter)}) == 0);  // A itself hardly differs from 0
  CHECK(!leading_claim(Verification{}).has_value());
}

TEST_CASE(
    "a claim that A relies and B does not needs a discovery, a bound above delta and an equivalent "
    "B") {
  const std::vector<VerifyEntry> entries = {
      {effects_of(1, 0.10), effects_of(3, 0.0)},                           // the textbook case
      {effects_of(5, 0.10), effects_of(7, 0.05)},                          // both rely, A more
      {effects_of(9, 0.0), effects_of(11, 0.0)},                           // neither
      {effects_of(13, 0.0), effects_of(15, 0.10)},                         // the other way round
      {effects_of(17, 0.012, 20, 0.002), effects_of(19, 0.0, 20, 0.002)},  // real, below delta
      {effects_of(21, 0.30, 20, 0.7), effects_of(23, 0.0, 20, 0.7)},       // large and loose
  };
  const Verification out = verify(entries);
  CHECK(out.effects[0].claim == Claim::a_relies_b_does_not);
  CHECK(out.effects[1].claim == Claim::a_relies_more);
  CHECK(out.effects[2].claim == Claim::none);
  CHECK(out.effects[3].claim == Claim::b_relies_a_does_not);
  CHECK(out.effects[4].claim == Claim::a_relies_more);
  CHECK(out.discoveries >= 4);
  CHECK(out.effects[3].bound > 0);
  // Ranked by what is sure, not by what is large.
  CHECK(out.effects[5].difference.estimate > out.effects[1].difference.estimate);
  CHECK((out.ranking[0] == 0 || out.ranking[0] == 3));
  CHECK(out.effects[0].difference_over_images.lower > 0);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    CHECK(out.effects[i].adjusted_p_value >= out.effects[i].p_value);
  }
}

TEST_CASE("simultaneous intervals hold all true differences at once") {
  constexpr int kFamilies = 300;
  constexpr std::uint64_t kEntries = 8;
  VerifyOptions options;
  options.bootstrap_draws = 10;
  int each = 0, all_at_once = 0;
  for (std::uint64_t family = 0; family < kFamilies; ++family) {
    std::vector<VerifyEntry> entries;
    for (std::uint64_t i = 0; i < kEntries; ++i) {
      const std::uint64_t seed = 2 * (family * kEntries + i);
      entries.push_back({normal(seed, {6, 1}), normal(seed + 1, {6, 1})});
    }
    const Verification out = verify(entries, options);
    const auto hold = [&](Interval Verified::* interval) {
      return std::all_of(out.effects.begin(), out.effects.end(), [&](const Verified& effect) {
        return (effect.*interval).lower <= 0 && 0 <= (effect.*interval).upper;
      });
    };
    each += hold(&Verified::difference);
    all_at_once += hold(&Verified::difference_simultaneous);
  }
  const double sd = std::sqrt(0.05 * 0.95 / kFamilies);
  CHECK(all_at_once >= (0.95 - 3 * sd) * kFamilies);
  CHECK(each < (0.95 - 3 * sd) * kFamilies);
}

TEST_CASE(
    "a side that cannot see the mark has effect 0 without variance and is equivalent to none") {
  const VerifyEntry entry{effects_of(1, 0.06), at::zeros({20, 40}, at::kDouble)};
  const Verification out = verify({&entry, 1});
  CHECK(out.effects[0].b_is_null.p_value == 0);
  CHECK(out.effects[0].effect_b.lower == 0);
  CHECK(out.effects[0].effect_b.upper == 0);
  CHECK(out.effects[0].claim == Claim::a_relies_b_does_not);
}

TEST_CASE("pairs of runs are tested by their differences") {
  // Each pair shares a large part; the difference is small and steady.
  const at::Tensor shared = normal(1, {10, 1}).expand({10, 40});
  const VerifyEntry entry{shared + 0.05 + 0.001 * normal(2, {10, 40}),
                          shared + 0.001 * normal(3, {10, 40})};
  VerifyOptions options;
  CHECK_FALSE(verify({&entry, 1}, options).effects[0].discovery);
  options.paired = true;
  const Verified paired = verify({&entry, 1}, options).effects[0];
  CHECK(paired.p_value == std::pow(2.0, -9));
  CHECK(paired.discovery);
  CHECK(std::abs(paired.difference.estimate - 0.05) < 0.001);
}

TEST_CASE("false discoveries among null effects stay within the rate") {
  constexpr int kFamilies = 40;
  int with_discovery = 0;
  for (int family = 0; family < kFamilies; ++family) {
    std::vector<VerifyEntry> entries;
    for (int i = 0; i < 10; ++i) {
      const std::uint64_t seed = 1000 * family + 4 * i;
      entries.push_back({effects_of(seed, 0.03, 10), effects_of(seed + 2, 0.03, 10)});
    }
    with_discovery += verify(entries, {.bootstrap_draws = 20}).discoveries > 0;
  }
  CHECK(with_discovery <= 5);  // binomial(40, .05): P(> 5) = 1.4 %
}

TEST_CASE("a placebo of the same effect leaves nothing") {
  const std::vector<double> a = values(normal(1, {20}) * 0.01 + 0.3),
                            b = values(normal(2, {20}) * 0.01);
  const Interval same = placebo_contrast(a, b, a, b, 0.95, false);
  CHECK(same.estimate == 0);
  CHECK(same.upper == 0);
  CHECK(placebo_contrast(a, b, values(normal(3, {20}) * 0.01), b, 0.95, false).lower > 0.25);
  // What the runs of a pair share leaves the contrast.
  const std::vector<double> above = values(normal(2, {20}) * 0.01 + 0.3);
  const std::vector<double> nothing(a.size(), 0.0);
  const Interval contrast = placebo_contrast(above, b, nothing, nothing, 0.95, true);
  CHECK(contrast.upper - contrast.lower < 1e-12);
  CHECK(contrast.estimate == doctest::Approx(0.3));
  CHECK_THROWS_WITH_AS(placebo_contrast(a, b, a, values(normal(4, {19})), 0.95, false),
                       "effects of 20 and 20 runs have placebos of 20 and 19", ShapeError);
}

TEST_CASE("effects of other images or runs are refused with both shapes") {
  CHECK_THROWS_WITH_AS(
      treatment_effects(at::zeros({2, 3, 4}), at::zeros({2, 3, 5}), at::zeros({3}, at::kLong)),
      "outputs before and after must both be [runs, images, classes], got [2, 3, 4] float32 and "
      "[2, 3, 5] float32",
      ShapeError);
  const VerifyEntry entry{at::zeros({20, 40}), at::zeros({20, 41})};
  CHECK_THROWS_WITH_AS(verify({&entry, 1}),
                       "effects 0 must be [runs >= 2, images] on the same images for A and B, got "
                       "[20, 40] float32 and "
                       "[20, 41] float32",
                       ShapeError);
}
