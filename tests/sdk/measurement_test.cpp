#include "modeldiff/measurement.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>

#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

const at::Tensor kLogits = at::tensor({1.0, 2.0, 0.5, -1.0, 0.0, 3.0}, at::kDouble).view({2, 3});
const at::Tensor kTwoLabels = at::tensor({1, 0}, at::kLong);

TEST_CASE("the log-odds margin is the label's logit less the log-sum-exp of the others") {
  const at::Tensor margin = log_odds_margin(kLogits, kTwoLabels);
  CHECK(margin[0].item<double>() ==
        doctest::Approx(2 - std::log(std::exp(1.0) + std::exp(0.5))).epsilon(1e-14));
  CHECK(margin[1].item<double>() ==
        doctest::Approx(-1 - std::log(std::exp(0.0) + std::exp(3.0))).epsilon(1e-14));
}

TEST_CASE("the log-odds margin is log(p / (1 - p)) of the softmax") {
  const at::Tensor p = kLogits.softmax(-1).gather(-1, kTwoLabels.unsqueeze(-1)).squeeze(-1);
  CHECK((log_odds_margin(kLogits, kTwoLabels) - (p / (1 - p)).log()).abs().max().item<double>() <
        1e-13);
}

TEST_CASE("a margin of 40 keeps its probability of error") {
  const at::Tensor logits = at::tensor({40.0, 0.0}, at::kDouble).view({1, 2});
  const at::Tensor margin = log_odds_margin(logits, at::tensor({0}, at::kLong));
  CHECK(margin.item<double>() == doctest::Approx(40).epsilon(1e-14));
  // 1 - p by way of the softmax would be 0.
  CHECK((-margin).sigmoid().item<double>() ==
        doctest::Approx(4.248354255291589e-18).epsilon(1e-12));
}

TEST_CASE("extreme logits leave margins finite, in float32 too") {
  const at::Tensor logits = at::tensor({1e4f, -1e4f, 0.f}, at::kFloat).view({1, 3});
  for (const std::int64_t label : {0, 1, 2}) {
    CAPTURE(label);
    CHECK(std::isfinite(log_odds_margin(logits, at::tensor({label}, at::kLong)).item<double>()));
  }
  CHECK(log_odds_margin(logits, at::tensor({1}, at::kLong)).item<double>() ==
        doctest::Approx(-2e4));
}

TEST_CASE("the max margin is positive exactly where the label wins") {
  const at::Tensor margin = max_margin(kLogits, kTwoLabels);
  CHECK(margin[0].item<double>() == 1.0);
  CHECK(margin[1].item<double>() == -4.0);
}

TEST_CASE("with two classes both margins are the difference of the logits") {
  const at::Tensor logits = at::tensor({0.25, -1.5}, at::kDouble).view({1, 2});
  const at::Tensor label = at::tensor({1}, at::kLong);
  CHECK(log_odds_margin(logits, label).item<double>() == -1.75);
  CHECK(max_margin(logits, label).item<double>() == -1.75);
}

TEST_CASE("a stack of models is measured model by model") {
  const at::Tensor stack = at::stack({kLogits, kLogits * 2});
  for (const Measurement m : {Measurement::log_odds_margin, Measurement::max_margin,
                              Measurement::loss, Measurement::output}) {
    const at::Tensor both = measure(m, stack, kTwoLabels);
    REQUIRE(both.sizes() == at::IntArrayRef({2, 2}));
    CHECK(both[0].equal(measure(m, kLogits, kTwoLabels)));
    CHECK(both[1].equal(measure(m, kLogits * 2, kTwoLabels)));
  }
}

TEST_CASE("the loss is negated, so that larger is better") {
  const at::Tensor loss = measure(Measurement::loss, kLogits, kTwoLabels);
  CHECK(loss[0].item<double>() ==
        doctest::Approx(std::log(kLogits.softmax(-1)[0][1].item<double>())).epsilon(1e-13));
  const at::Tensor outputs = at::tensor({1.0, 4.0}, at::kDouble).view({1, 2});
  const at::Tensor targets = at::tensor({3.0, 3.0}, at::kDouble).view({1, 2});
  CHECK(measure(Measurement::loss, outputs, targets).item<double>() == -2.5);
  CHECK(measure(Measurement::output, outputs, targets).item<double>() == 1.0);
}

TEST_CASE("shapes that do not fit are named") {
  CHECK_THROWS_WITH_AS(log_odds_margin(kLogits, at::tensor({1}, at::kLong)),
                       "logits must be [..., n, classes] with at least 2 classes and labels [n] "
                       "int64, got [2, 3] float64 and [1] int64",
                       ShapeError);
  CHECK_THROWS_AS(max_margin(kLogits.narrow(1, 0, 1), kTwoLabels), ShapeError);
  CHECK_THROWS_AS(measure(Measurement::loss, kLogits, at::zeros({2, 2}, at::kDouble)), ShapeError);
}

}  // namespace
}  // namespace modeldiff
