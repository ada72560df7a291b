#include "modeldiff/mlp_kernels.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

using std::int64_t;
using Doubles = std::vector<double>;

// ---- the same training in plain double loops ----

/// Loss of one batch and its gradient with respect to the flat parameters.
struct Reference {
  const MlpTraining& training;

  Doubles outputs(const Doubles& parameters, int64_t row) const {
    const auto& widths = training.shape.widths;
    Doubles x(training.inputs.begin() + row * widths[0],
              training.inputs.begin() + (row + 1) * widths[0]);
    std::size_t at = 0;
    for (int64_t l = 0; l < training.shape.layers(); ++l) {
      Doubles y(static_cast<std::size_t>(widths[l + 1]), 0.0);
      for (double& value : y)
        for (const double input : x) value += parameters[at++] * input;
      for (double& value : y) value += parameters[at++];
      if (l + 1 < training.shape.layers())
        for (double& value : y) value = std::max(value, 0.0);
      x = std::move(y);
    }
    return x;
  }

  double loss_of_row(const Doubles& z, int64_t row) const {
    double loss = 0;
    if (const auto* entropy = std::get_if<MlpCrossEntropy>(&training.objective)) {
      double sum = 0;
      for (const double value : z) sum += std::exp(value);
      for (std::size_t c = 0; c < z.size(); ++c) {
        const bool labelled = static_cast<int64_t>(c) == entropy->labels[row];
        const double wanted =
            (labelled ? 1 - entropy->label_smoothing : 0) + entropy->label_smoothing / z.size();
        loss += wanted * (std::log(sum) - z[c]);
      }
    } else {
      const auto& targets = std::get<MlpSquaredError>(training.objective).targets;
      for (std::size_t c = 0; c < z.size(); ++c)
        loss += std::pow(z[c] - targets[row * z.size() + c], 2) / z.size();
    }
    return loss;
  }

  double loss(const Doubles& parameters, int64_t step) const {
    const int64_t begin = training.batch_offsets[step], end = training.batch_offsets[step + 1];
    double sum = 0;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = training.batch_rows[i];
      sum += loss_of_row(outputs(parameters, row), row);
    }
    return sum / static_cast<double>(end - begin);
  }

  /// By central differences.
  Doubles gradient(Doubles parameters, int64_t step) const {
    constexpr double kStep = 1e-6;
    Doubles out;
    for (double& p : parameters) {
      const double old = p;
      p = old + kStep;
      const double above = loss(parameters, step);
      p = old - kStep;
      const double below = loss(parameters, step);
      p = old;
      out.push_back((above - below) / (2 * kStep));
    }
    return out;
  }
};

// ---- a small training run ----

/// Owns what an MlpTraining points to. Drawn data; batches of `batch` rows in turn, the last one
/// short.
struct Run {
  std::vector<float> inputs;
  std::vector<int64_t> labels;
  std::vector<float> targets;
  std::vector<int64_t> rows;
  std::vector<int64_t> offsets = {0};
  std::vector<double> rates;
  std::vector<int64_t> checkpoints;
  std::vector<double> losses;
  MlpTraining training;
  MlpState state;

  Run(std::vector<int64_t> widths, int64_t examples, int64_t batch, int64_t epochs = 1) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    for (int64_t i = 0; i < examples * widths.front(); ++i) inputs.push_back(normal(random));
    for (int64_t i = 0; i < examples; ++i)
      labels.push_back(static_cast<int64_t>(random() % widths.back()));
    for (int64_t i = 0; i < examples * widths.back(); ++i) targets.push_back(normal(random));
    for (int64_t e = 0; e < epochs; ++e)
      for (int64_t i = 0; i < examples; ++i) {
        rows.push_back((i * 7 + e) % examples);
        if ((i + 1) % batch == 0 || i + 1 == examples)
          offsets.push_back(static_cast<int64_t>(rows.size()));
      }
    rates.assign(offsets.size() - 1, 0.1);
    losses.assign(offsets.size() - 1, -1.0);
    training.shape.widths = std::move(widths);
    for (int64_t i = 0; i < training.shape.parameter_count(); ++i)
      state.parameters.push_back(0.3f * normal(random));
    connect();
  }
  Run(const Run&) = delete;

  void connect() {
    training.inputs = inputs;
    training.objective = MlpCrossEntropy{labels};
    training.batch_rows = rows;
    training.batch_offsets = offsets;
    training.learning_rates = rates;
  }

  int64_t steps() const { return static_cast<int64_t>(rates.size()); }
  /// Ends the plan after `count` steps.
  void keep_steps(std::size_t count) {
    offsets.resize(count + 1);
    rates.resize(count);
    losses.resize(count);
    connect();
  }
  std::optional<int64_t> train(MlpInstructionSet set = mlp_instruction_sets().back()) {
    return train_mlp(training, state, losses, set);
  }
  Doubles parameters() const { return {state.parameters.begin(), state.parameters.end()}; }
};

double largest_difference(const std::vector<float>& a, const Doubles& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - b[i]));
  return largest;
}

// Sums of about a hundred float32 products of size one.
constexpr double kRounding = 5e-6;

/// After one step from zero the momentum buffer is the gradient.
void check_gradient(Run& run) {
  for (const MlpInstructionSet set : mlp_instruction_sets()) {
    CAPTURE(to_string(set));
    run.training.optimizer = MlpSgd{.momentum = 0.9};
    const MlpState start = run.state;
    const Doubles wanted = Reference{run.training}.gradient(run.parameters(), 0);
    CHECK_FALSE(run.train(set).has_value());
    CHECK(largest_difference(run.state.first_moment, wanted) < kRounding);
    CHECK(run.losses[0] ==
          doctest::Approx(
              Reference{run.training}.loss({start.parameters.begin(), start.parameters.end()}, 0))
              .epsilon(1e-6));
    run.state = start;
  }
}

}  // namespace

TEST_CASE("the number of MLP parameters counts weights and biases") {
  CHECK(MlpShape{{64, 32, 10}}.parameter_count() == 64 * 32 + 32 + 32 * 10 + 10);
  CHECK(MlpShape{{5, 3}}.parameter_count() == 18);
}

TEST_CASE(
    "the MLP gradient is that of central differences, for widths that fill vectors and widths that "
    "do not") {
  const std::vector<std::vector<int64_t>> shapes = {{5, 3},       {8, 16},        {7, 5, 3},
                                                    {16, 24, 10}, {3, 33, 17, 2}, {40, 13, 40, 9}};
  for (const auto& widths : shapes)
    for (const int64_t batch : {1, 6, 13, 64}) {
      CAPTURE(widths.size());
      CAPTURE(widths[1]);
      CAPTURE(batch);
      Run run(widths, batch, batch);
      check_gradient(run);
    }
}

TEST_CASE("a batch too large for the cache has the same MLP gradient") {
  for (const int64_t batch : {128, 129, 300}) {
    CAPTURE(batch);
    Run run({6, 9, 4}, batch, batch);
    check_gradient(run);
  }
}

TEST_CASE("label smoothing mixes the label with all classes") {
  Run run({7, 12, 10}, 21, 21);
  run.training.objective = MlpCrossEntropy{run.labels, 0.2};
  check_gradient(run);
}

TEST_CASE("squared error is the mean over batch and outputs") {
  Run run({7, 12, 3}, 21, 21);
  run.training.objective = MlpSquaredError{run.targets};
  check_gradient(run);
}

TEST_CASE("the MLP loss of large logits is exact") {
  // One weight for each class, one input of 1: the logits are the weights.
  Run run({1, 3}, 1, 1);
  run.inputs = {1};
  run.labels = {2};
  run.connect();
  run.state.parameters = {500, -500, 400, 0, 0, 0};
  for (const MlpInstructionSet set : mlp_instruction_sets()) {
    MlpState state = run.state;
    train_mlp(run.training, state, run.losses, set);
    CHECK(run.losses[0] == doctest::Approx(100).epsilon(1e-7));
  }
}

TEST_CASE("the softmax of an MLP is within a few units in the last place") {
  // With two classes and logits (0, -t) the loss of class 0 is log(1 + e^-t), that of class 1 the
  // same plus t.
  for (const MlpInstructionSet set : mlp_instruction_sets()) {
    for (double t = 0; t < 30; t += 0.173) {
      CAPTURE(t);
      Run run({1, 2}, 1, 1);
      run.inputs = {1};
      run.labels = {0};
      run.connect();
      const auto logit = static_cast<float>(-t);
      run.state.parameters = {0, logit, 0, 0};
      run.training.optimizer = MlpSgd{.momentum = 0.5};
      run.train(set);
      const double e = std::exp(static_cast<double>(logit));
      // The sum 1 + e^-t is rounded to float32 before the logarithm: 2^-24 of 1.
      CHECK(std::abs(run.losses[0] - std::log1p(e)) < 1.3e-7);
      // The gradient of the second weight is the probability of its class.
      CHECK(run.state.first_moment[1] == doctest::Approx(e / (1 + e)).epsilon(4e-7));
    }
  }
}

TEST_CASE("SGD with momentum and decay follows its formula by hand") {
  // Squared error of one linear unit w x + b, x = 2, target 1: gradient (2 (w x + b - 1) x, 2 (w x
  // + b - 1)).
  for (const bool nesterov : {false, true}) {
    CAPTURE(nesterov);
    Run run({1, 1}, 1, 1, 2);
    run.inputs = {2};
    run.targets = {1};
    run.connect();
    run.training.objective = MlpSquaredError{run.targets};
    run.training.optimizer = MlpSgd{.momentum = 0.5, .weight_decay = 0.25, .nesterov = nesterov};
    run.state.parameters = {3, -1};
    run.train();
    // Step 0: error 4, gradient (16, 8), with decay m = (16.75, 7.75).
    const double w1 = 3 - 0.1 * (nesterov ? 1.5 * 16.75 : 16.75);
    const double b1 = -1 - 0.1 * (nesterov ? 1.5 * 7.75 : 7.75);
    const double error = 2 * w1 + b1 - 1;
    const double gw = 4 * error + 0.25 * w1, gb = 2 * error + 0.25 * b1;
    const double mw = 0.5 * 16.75 + gw, mb = 0.5 * 7.75 + gb;
    CHECK(run.losses[0] == doctest::Approx(16));
    CHECK(run.losses[1] == doctest::Approx(error * error));
    CHECK(run.state.first_moment[0] == doctest::Approx(mw));
    CHECK(run.state.first_moment[1] == doctest::Approx(mb));
    CHECK(run.state.parameters[0] == doctest::Approx(w1 - 0.1 * (nesterov ? gw + 0.5 * mw : mw)));
    CHECK(run.state.parameters[1] == doctest::Approx(b1 - 0.1 * (nesterov ? gb + 0.5 * mb : mb)));
  }
}

TEST_CASE("AdamW follows its formula by hand") {
  Run run({1, 1}, 1, 1, 2);
  run.inputs = {2};
  run.targets = {1};
  run.connect();
  run.training.objective = MlpSquaredError{run.targets};
  run.training.optimizer =
      MlpAdamW{.beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-3, .weight_decay = 0.5};
  run.state.parameters = {3, -1};
  run.train();
  // The first step moves each weight by the rate times g / (|g| + epsilon), after the decay.
  double w = 3 * 0.95 - 0.1 * 16 / (16 + 1e-3);
  double b = -1 * 0.95 - 0.1 * 8 / (8 + 1e-3);
  const double error = 2 * w + b - 1;
  const double m = 0.8 * 0.2 * 16 + 0.2 * 4 * error;
  const double v = 0.9 * 0.1 * 256 + 0.1 * 16 * error * error;
  w = 0.95 * w - 0.1 * (m / 0.36) / (std::sqrt(v / 0.19) + 1e-3);
  CHECK(run.state.first_moment[0] == doctest::Approx(m));
  CHECK(run.state.second_moment[0] == doctest::Approx(v));
  CHECK(run.state.parameters[0] == doctest::Approx(w));
}

TEST_CASE(
    "a gradient longer than the limit is scaled to it before the decay, a shorter one is left "
    "alone") {
  Run run({6, 9, 4}, 10, 10);
  const Doubles gradient = Reference{run.training}.gradient(run.parameters(), 0);
  double squares = 0;
  for (const double g : gradient) squares += g * g;
  const double norm = std::sqrt(squares);
  for (const double limit : {0.3 * norm, 2 * norm}) {
    CAPTURE(limit / norm);
    MlpState state = run.state;
    run.training.optimizer = MlpSgd{.momentum = 0.9, .weight_decay = 0.1};
    run.training.max_gradient_norm = limit;
    train_mlp(run.training, state, run.losses);
    Doubles wanted;
    for (std::size_t i = 0; i < gradient.size(); ++i)
      wanted.push_back(gradient[i] * std::min(1.0, limit / norm) + 0.1 * run.state.parameters[i]);
    CHECK(largest_difference(state.first_moment, wanted) < kRounding);
  }
}

TEST_CASE("a short last batch is averaged over its own rows") {
  Run run({7, 5, 3}, 23, 10);
  REQUIRE(run.offsets == std::vector<int64_t>{0, 10, 20, 23});
  run.training.learning_rates = run.rates = {0, 0, 0};
  run.train();
  for (int64_t s = 0; s < 3; ++s)
    CHECK(run.losses[s] ==
          doctest::Approx(Reference{run.training}.loss(run.parameters(), s)).epsilon(1e-6));
}

TEST_CASE("an MLP that goes on from a checkpoint ends with the bits of one that never stopped") {
  const std::vector<std::pair<MlpOptimizer, double>> rules = {
      {MlpSgd{.momentum = 0.9, .weight_decay = 1e-3}, std::numeric_limits<double>::infinity()},
      {MlpSgd{}, std::numeric_limits<double>::infinity()},
      {MlpSgd{.momentum = 0.9, .nesterov = true}, 0.5},
      {MlpAdamW{}, std::numeric_limits<double>::infinity()}};
  for (const auto& [optimizer, limit] : rules) {
    Run whole({11, 20, 10}, 61, 16, 4);
    whole.training.optimizer = optimizer;
    whole.training.max_gradient_norm = limit;
    whole.checkpoints = {5, 9};
    whole.training.checkpoint_steps = whole.checkpoints;
    std::vector<MlpState> kept;
    whole.training.on_checkpoint = [&](const MlpCheckpoint& c) {
      kept.push_back({{c.parameters.begin(), c.parameters.end()},
                      {c.first_moment.begin(), c.first_moment.end()},
                      {c.second_moment.begin(), c.second_moment.end()},
                      c.steps});
    };
    whole.train();
    REQUIRE(kept.size() == 2);
    CHECK(kept[0].steps == 5);
    CHECK(kept[1].steps == 9);
    for (MlpState state : std::vector<MlpState>(kept)) {
      std::vector<double> losses(whole.losses.size(), -1.0);
      train_mlp(whole.training, state, losses);
      CHECK(state.steps == whole.steps());
      CHECK(state.parameters == whole.state.parameters);
      CHECK(state.first_moment == whole.state.first_moment);
      CHECK(state.second_moment == whole.state.second_moment);
      CHECK(losses.front() == -1.0);
      CHECK(losses.back() == whole.losses.back());
    }
  }
}

TEST_CASE("a plan of fewer steps gives the checkpoint of the longer one") {
  Run longer({11, 20, 10}, 61, 16, 2), shorter({11, 20, 10}, 61, 16, 2);
  std::vector<float> at_three;
  longer.checkpoints = {3};
  longer.training.checkpoint_steps = longer.checkpoints;
  longer.training.on_checkpoint = [&](const MlpCheckpoint& c) {
    at_three.assign(c.parameters.begin(), c.parameters.end());
  };
  longer.train();
  shorter.keep_steps(3);
  shorter.train();
  CHECK(shorter.state.parameters == at_three);
}

TEST_CASE("all instruction sets train the same MLP up to rounding") {
  const std::vector<std::vector<int64_t>> shapes = {{64, 32, 10}, {20, 10}, {300, 40, 24, 7}};
  for (const auto& widths : shapes) {
    CAPTURE(widths[0]);
    Run first(widths, 150, 50, 3);
    first.training.optimizer = MlpSgd{.momentum = 0.9, .weight_decay = 5e-4};
    const MlpState start = first.state;
    first.train(MlpInstructionSet::portable);
    const Doubles wanted = first.parameters();
    for (const MlpInstructionSet set : mlp_instruction_sets()) {
      CAPTURE(to_string(set));
      first.state = start;
      first.train(set);
      // Nine steps from weights of size one; a rounding of 1e-7 grows by less than a hundred.
      CHECK(largest_difference(first.state.parameters, wanted) < 1e-5);
    }
  }
}

TEST_CASE("the outputs of mlp_forward are those of plain loops, for any number of rows") {
  for (const int64_t examples : {1, 5, 128, 131}) {
    CAPTURE(examples);
    Run run({19, 21, 6}, examples, examples);
    std::vector<float> z(static_cast<std::size_t>(examples * 6));
    for (const MlpInstructionSet set : mlp_instruction_sets()) {
      mlp_forward(run.training.shape, run.state.parameters, run.inputs, z, set);
      Doubles wanted;
      for (int64_t i = 0; i < examples; ++i)
        for (const double value : Reference{run.training}.outputs(run.parameters(), i))
          wanted.push_back(value);
      CHECK(largest_difference(z, wanted) < kRounding);
    }
  }
}

#if defined(__x86_64__)
TEST_CASE("MLP kernels for AVX multiply and add with one rounding") {
  // (1 + 2^-12)^2 - (1 + 2^-11) = 2^-24, which is lost if the product is rounded first.
  const std::vector<float> parameters = {1 + 0x1p-12f, -(1 + 0x1p-11f)};
  const std::vector<float> inputs = {1 + 0x1p-12f};
  for (const MlpInstructionSet set : mlp_instruction_sets()) {
    if (set == MlpInstructionSet::portable) continue;
    CAPTURE(to_string(set));
    std::vector<float> z(1);
    mlp_forward({{1, 1}}, parameters, inputs, z, set);
    CHECK(z[0] == 0x1p-24f);
  }
}

TEST_CASE("the momentum of a weight without gradient does not linger below the normal numbers") {
  Run run({1, 2}, 1, 1);
  run.inputs = {0};
  run.connect();
  run.training.optimizer = MlpSgd{.momentum = 0.9};
  run.state.first_moment = {1e-40f, 1e-40f, 0, 0};
  run.train();
  CHECK(run.state.first_moment[0] == 0);
  // The caller's arithmetic is as before.
  volatile float small = 1e-40f;
  CHECK(small * 0.5f > 0);
}
#endif

TEST_CASE("training an MLP stops before the step whose loss is not finite") {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float bad : {infinity, -infinity, std::numeric_limits<float>::quiet_NaN()})
    for (const MlpInstructionSet set : mlp_instruction_sets()) {
      CAPTURE(bad);
      CAPTURE(to_string(set));
      Run run({6, 9, 4}, 12, 4);
      // The first row of the third batch.
      run.inputs[static_cast<std::size_t>(run.rows[8] * 6)] = bad;
      Run shorter({6, 9, 4}, 12, 4);
      shorter.keep_steps(2);
      shorter.train(set);
      const auto stopped = run.train(set);
      REQUIRE(stopped.has_value());
      CHECK(*stopped == 2);
      CHECK(run.state.steps == 2);
      CHECK(run.state.parameters == shorter.state.parameters);
      CHECK_FALSE(std::isfinite(run.losses[2]));
    }
}

TEST_CASE("what does not fit an MLP is refused with its name and size") {
  Run run({6, 9, 4}, 12, 4);
  SUBCASE("parameters") {
    run.state.parameters.pop_back();
    CHECK_THROWS_WITH_AS(run.train(), "mlp: parameters must have 103 entries, got 102", ShapeError);
  }
  SUBCASE("a label") {
    run.labels[3] = 4;
    CHECK_THROWS_WITH_AS(run.train(), "mlp: the label of row 3 must be in [0, 4), got 4",
                         DataError);
  }
  SUBCASE("a row") {
    run.rows[5] = 12;
    CHECK_THROWS_WITH_AS(run.train(), "mlp: batch_rows must be in [0, 12), got 12", DataError);
  }
  SUBCASE("an empty batch") {
    run.offsets[2] = run.offsets[1];
    CHECK_THROWS_WITH_AS(run.train(), "mlp: the batch of step 1 is empty", DataError);
  }
  SUBCASE("an option") {
    run.training.optimizer = MlpAdamW{.epsilon = 0};
    CHECK_THROWS_AS(run.train(), ConfigError);
  }
  SUBCASE("outputs") {
    std::vector<float> z(47);
    CHECK_THROWS_WITH_AS(mlp_forward(run.training.shape, run.state.parameters, run.inputs, z),
                         "mlp: outputs must have 48 entries, got 47", ShapeError);
  }
}

}  // namespace modeldiff
