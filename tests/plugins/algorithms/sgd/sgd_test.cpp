#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

#include "modeldiff/core/error.h"
#include "modeldiff/tensors.h"
#include "plugins/algorithms/sgd/plan.h"
#include "sgd_fixture.h"

namespace modeldiff {
namespace {

using doctest::Approx;
using namespace testing;

constexpr std::uint64_t kSeed = 7;
/// Rounding of float32 over some tens of steps on weights of about 1.
constexpr double kRounding = 2e-5;

SgdParams plain(PluginChoice model) {
  SgdParams params;
  params.model = std::move(model);
  params.epochs = 2;
  params.batch = 8;
  params.schedule.kind = ScheduleKind::constant;
  params.lr = 0.05;
  return params;
}

std::vector<std::int64_t> all_rows(const Problem& problem) {
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < problem.train.size(); ++i) rows.push_back(i);
  return rows;
}

// ---- the arithmetic of a step
// ---------------------------------------------------------------------------------------

TEST_CASE("one step of a regression by hand") {
  // Two examples x = 1, 3 with targets 2, 0 and weights w, b: loss = ((w + b - 2)^2 + (3w + b)^2)
  // / 2.
  Problem problem;
  problem.facts.name = "pair";
  problem.facts.task = Task::regression;
  problem.facts.input_shape = {1};
  problem.facts.outputs = 1;
  problem.train.inputs = at::tensor({1.f, 3.f}).view({2, 1});
  problem.train.targets = at::tensor({2.f, 0.f}).view({2, 1});
  for (const bool kernels : {true, false}) {
    CAPTURE(kernels);
    SgdParams params = plain(mlp({}, kernels));
    params.epochs.reset();
    params.steps = 1;
    params.batch = 2;
    params.lr = 0.1;
    params.weight_decay = 0.5;
    RandomStream random(kSeed, "init");
    const double w = TestMlp({1, 1}, kernels).initialise(random).parameters[0].item<double>();
    const double first = w - 2, second = 3 * w;
    const TrainedRun run = train_one(params, problem, kSeed);
    CHECK(run.epoch_loss.size() == 1);
    CHECK(run.epoch_loss[0] == Approx((first * first + second * second) / 2));
    CHECK(run.weights.parameters[0].item<double>() ==
          Approx(w - 0.1 * (first + 3 * second + 0.5 * w)));
    CHECK(run.weights.parameters[1].item<double>() == Approx(-0.1 * (first + second)));
  }
}

/// Training of a linear model in double, written down from the definitions.
class DoubleTrainer {
 public:
  DoubleTrainer(const SgdParams& params, const Problem& problem)
      : params_(params),
        problem_(problem),
        inputs_(problem.facts.input_shape[0]),
        outputs_(problem.facts.outputs) {
    RandomStream random(kSeed, "init");
    const at::Tensor start =
        TestMlp({inputs_, outputs_}, true).initialise(random).parameters.to(at::kDouble);
    w_.assign(start.const_data_ptr<double>(), start.const_data_ptr<double>() + start.numel());
    m_.assign(w_.size(), 0);
    v_.assign(w_.size(), 0);
    const Plan plan(params, all_rows(problem), kSeed, 0);
    std::vector<std::int64_t> order;
    for (std::int64_t s = 0; s < plan.steps(); ++s) {
      if (s % plan.steps_per_epoch() == 0) order = plan.order(s / plan.steps_per_epoch());
      const auto begin = order.begin() + plan.batch_begin(s);
      std::vector<double> g = gradient({begin, begin + plan.batch_size(s)});
      if (params.clip) clip(g);
      update(g, plan.rates()[s], s + 1);
    }
  }

  at::Tensor weights() const { return at::tensor(w_, at::kDouble); }
  at::Tensor first() const { return at::tensor(m_, at::kDouble); }
  at::Tensor second() const { return at::tensor(v_, at::kDouble); }

 private:
  double weight(std::int64_t o, std::int64_t i) const { return w_[o * inputs_ + i]; }

  std::vector<double> gradient(const std::vector<std::int64_t>& rows) const {
    std::vector<double> g(w_.size(), 0);
    const auto x = problem_.train.inputs.accessor<float, 2>();
    for (const std::int64_t r : rows) {
      std::vector<double> z(outputs_), delta(outputs_);
      for (std::int64_t o = 0; o < outputs_; ++o) {
        z[o] = w_[outputs_ * inputs_ + o];
        for (std::int64_t i = 0; i < inputs_; ++i) z[o] += weight(o, i) * x[r][i];
      }
      const double batch = static_cast<double>(rows.size());
      if (problem_.facts.task == Task::regression) {
        const auto y = problem_.train.targets.accessor<float, 2>();
        for (std::int64_t o = 0; o < outputs_; ++o)
          delta[o] = 2 * (z[o] - y[r][o]) / (batch * outputs_);
      } else {
        const std::int64_t label = problem_.train.targets[r].item<std::int64_t>();
        double sum = 0;
        for (const double value : z) sum += std::exp(value);
        for (std::int64_t o = 0; o < outputs_; ++o) {
          const double target =
              (1 - params_.label_smoothing) * (o == label) + params_.label_smoothing / outputs_;
          delta[o] = (std::exp(z[o]) / sum - target) / batch;
        }
      }
      for (std::int64_t o = 0; o < outputs_; ++o) {
        for (std::int64_t i = 0; i < inputs_; ++i) g[o * inputs_ + i] += delta[o] * x[r][i];
        g[outputs_ * inputs_ + o] += delta[o];
      }
    }
    return g;
  }

  void clip(std::vector<double>& g) const {
    double squares = 0;
    for (const double value : g) squares += value * value;
    const double scale = std::min(1.0, *params_.clip / (std::sqrt(squares) + 1e-6));
    for (double& value : g) value *= scale;
  }

  void update(const std::vector<double>& g, double lr, std::int64_t t) {
    for (std::size_t i = 0; i < w_.size(); ++i) {
      if (params_.optimizer == OptimizerKind::sgd) {
        const double step = g[i] + params_.weight_decay * w_[i];
        m_[i] = params_.momentum * m_[i] + step;
        w_[i] -= lr * (params_.nesterov ? step + params_.momentum * m_[i] : m_[i]);
      } else {
        const double b1 = params_.betas[0], b2 = params_.betas[1];
        m_[i] = b1 * m_[i] + (1 - b1) * g[i];
        v_[i] = b2 * v_[i] + (1 - b2) * g[i] * g[i];
        const double m = m_[i] / (1 - std::pow(b1, t)), v = v_[i] / (1 - std::pow(b2, t));
        w_[i] = (1 - lr * params_.weight_decay) * w_[i] - lr * m / (std::sqrt(v) + params_.epsilon);
      }
    }
  }

  const SgdParams& params_;
  const Problem& problem_;
  std::int64_t inputs_, outputs_;
  std::vector<double> w_, m_, v_;
};

/// Compares both engines with the reference: weights and the optimiser's tensors.
void check_against_reference(SgdParams params, const Problem& problem) {
  const DoubleTrainer reference(params, problem);
  for (const bool kernels : {true, false}) {
    CAPTURE(kernels);
    params.model = mlp({}, kernels);
    const TrainedRun run = train_one(params, problem, kSeed, {{1, true}});
    CHECK(largest_difference(run.weights.parameters, reference.weights()) < kRounding);
    const TensorMap& state = run.checkpoints.back().optimizer;
    if (params.optimizer == OptimizerKind::adamw) {
      CHECK(state.size() == 2);
      CHECK(largest_difference(state.at("first_moment"), reference.first()) < kRounding);
      CHECK(largest_difference(state.at("second_moment"), reference.second()) < kRounding);
    } else if (params.momentum > 0) {
      CHECK(state.size() == 1);
      CHECK(largest_difference(state.at("momentum"), reference.first()) < kRounding);
    } else {
      CHECK(state.empty());
    }
  }
}

TEST_CASE(
    "both engines follow SGD without momentum, with heavy ball and with Nesterov's momentum") {
  const Problem problem = table(50, 5, 3, Task::classification);
  SgdParams params = plain(mlp({}));
  params.schedule.kind = ScheduleKind::triangle;
  params.momentum = 0;
  check_against_reference(params, problem);
  params.momentum = 0.9;
  check_against_reference(params, problem);
  params.nesterov = true;
  check_against_reference(params, problem);
}

TEST_CASE("both engines follow AdamW") {
  SgdParams params = plain(mlp({}));
  params.optimizer = OptimizerKind::adamw;
  params.betas = {0.8, 0.95};
  params.epsilon = 1e-4;
  params.weight_decay = 0.1;
  check_against_reference(params, table(50, 5, 3, Task::classification));
  check_against_reference(params, table(50, 5, 2, Task::regression));
}

TEST_CASE("both engines follow label smoothing, clipping and the squared loss") {
  SgdParams params = plain(mlp({}));
  params.label_smoothing = 0.2;
  check_against_reference(params, table(50, 5, 3, Task::classification));
  params.label_smoothing = 0;
  params.clip = 0.1;
  check_against_reference(params, table(50, 5, 3, Task::classification));
  check_against_reference(params, table(50, 5, 2, Task::regression));
  params.optimizer = OptimizerKind::adamw;
  check_against_reference(params, table(50, 5, 3, Task::classification));
}

TEST_CASE("both engines agree on a network with hidden layers, losses included") {
  const Problem problem = images(60, 1, 6, 6);
  SgdParams params = plain(mlp({16, 12}));
  params.clip = 2;
  params.nesterov = true;
  params.label_smoothing = 0.1;
  params.epochs = 4;
  const TrainedRun fused = train_one(params, problem);
  params.model = mlp({16, 12}, false);
  const TrainedRun autograd = train_one(params, problem);
  CHECK(fused.facts.at("engine") == "fused");
  CHECK(autograd.facts.at("engine") == "autograd");
  CHECK(largest_difference(fused.weights.parameters, autograd.weights.parameters) < kRounding);
  for (std::size_t e = 0; e < 4; ++e)
    CHECK(fused.epoch_loss[e] == Approx(autograd.epoch_loss[e]).epsilon(1e-4));
  CHECK(fused.epoch_loss[3] < fused.epoch_loss[0]);
}

// ---- lengths, subsets, seeds
// ----------------------------------------------------------------------------------------

TEST_CASE("epochs and the steps they make give the same bytes") {
  const Problem problem = table(50, 5, 3, Task::classification);
  SgdParams by_epochs = plain(mlp({6}));
  SgdParams by_steps = by_epochs;
  by_steps.epochs.reset();
  by_steps.steps = 14;  // 7 batches of up to 8 in each of 2 epochs
  const TrainedRun a = train_one(by_epochs, problem), b = train_one(by_steps, problem);
  CHECK(a.steps == 14);
  CHECK(same_bytes(a.weights.parameters, b.weights.parameters));
  CHECK(a.epoch_loss == b.epoch_loss);
}

TEST_CASE(
    "drop_last leaves the smaller batch out, and the epoch's loss is the mean over examples "
    "without it") {
  const Problem problem = table(50, 5, 3, Task::classification);
  SgdParams params = plain(mlp({6}));
  params.drop_last = true;
  CHECK(train_one(params, problem).steps == 12);
  params.batch = 51;
  CHECK(thrown_text<ConfigError>([&] { train_one(params, problem); }) ==
        "batch: is 51, and with drop_last nothing is left of 50 training examples");
}

TEST_CASE("the loss of an epoch weighs every example alike") {
  const Problem problem = table(50, 5, 3, Task::classification);
  const SgdParams params = plain(mlp({6}));
  const Plan plan(params, all_rows(problem), kSeed, 0);
  std::vector<double> losses(14, 1.0);
  losses[6] = 26;  // the batch of 2 examples
  CHECK(plan.epoch_means(losses) == std::vector<double>{2, 1});
}

TEST_CASE("each epoch has an order of its own, drawn from the seed alone") {
  const SgdParams params = plain(mlp({}));
  const Plan a(params, {2, 4, 6, 8, 10, 12}, 1, 0), b(params, {2, 4, 6, 8, 10, 12}, 2, 0);
  const auto first = a.order(0);
  CHECK(std::set<std::int64_t>(first.begin(), first.end()) ==
        std::set<std::int64_t>{2, 4, 6, 8, 10, 12});
  CHECK(a.order(5) == a.order(5));
  CHECK(a.order(0) != a.order(1));
  CHECK(a.order(0) != b.order(0));
}

TEST_CASE(
    "a run on a subset is the run on a data set of these rows, with fewer steps in each epoch") {
  const at::Tensor subset = at::arange(0, 50, 2);
  for (const bool is_image : {false, true}) {
    CAPTURE(is_image);
    const Problem whole = is_image ? images(50, 2, 5, 5) : table(50, 5, 3, Task::classification);
    const Problem part{whole.facts, whole.train.select(subset)};
    SgdParams params = plain(is_image ? conv() : mlp({6}));
    if (is_image) {
      params.augment.resize(1);
      params.augment[0].kind = AugmentationKind::mixup;
      params.augment[0].alpha = 0.5;
    }
    const TrainedRun a = train_all(params, whole, {{kSeed, subset, "subset"}}).front();
    const TrainedRun b = train_one(params, part, kSeed);
    CHECK(a.steps == 8);
    CHECK(same_bytes(a.weights.parameters, b.weights.parameters));
    CHECK(same_bytes(a.weights.buffers, b.weights.buffers));
  }
}

TEST_CASE("a seed gives the same bytes, alone or beside other runs, and another seed others") {
  for (const bool is_image : {false, true}) {
    CAPTURE(is_image);
    const Problem problem = is_image ? images(30, 2, 5, 5) : table(30, 5, 3, Task::classification);
    SgdParams params = plain(is_image ? conv() : mlp({6}));
    if (is_image) params.augment.resize(1);  // flips
    const TrainedRun alone = train_one(params, problem, 2);
    const auto together =
        train_all(params, problem, {{1, {}, "run 0"}, {2, {}, "run 1"}, {3, {}, "run 2"}});
    CHECK(same_bytes(alone.weights.parameters, together[1].weights.parameters));
    CHECK(same_bytes(alone.weights.buffers, together[1].weights.buffers));
    CHECK(alone.epoch_loss == together[1].epoch_loss);
    CHECK_FALSE(same_bytes(alone.weights.parameters, together[0].weights.parameters));
  }
}

TEST_CASE("torch's generator and number of threads stay as they are") {
  const Problem problem = images(30, 2, 5, 5);
  SgdParams params = plain(conv());
  params.augment.resize(2);
  params.augment[1].kind = AugmentationKind::shift;
  params.augment[1].pixels = 1;
  const at::Generator generator = at::detail::getDefaultCPUGenerator();
  const at::Tensor before = generator.get_state();
  const int threads = at::get_num_threads();
  train_one(params, problem);
  CHECK(same_bytes(before, generator.get_state()));
  CHECK(at::get_num_threads() == threads);
}

// ---- checkpoints
// ----------------------------------------------------------------------------------------------------

TEST_CASE(
    "a checkpoint holds the weights, the buffers and the sum of rates of its part of the run") {
  for (const bool is_image : {false, true}) {
    CAPTURE(is_image);
    const Problem problem = is_image ? images(50, 2, 5, 5) : table(50, 5, 3, Task::classification);
    SgdParams params = plain(is_image ? conv() : mlp({6}));
    const TrainedRun run = train_one(params, problem, kSeed, {{4, false}});  // of 14 steps
    REQUIRE(run.checkpoints.size() == 4);
    const std::int64_t steps[] = {3, 7, 10, 14};
    for (std::size_t c = 0; c < 4; ++c) {
      CHECK(run.checkpoints[c].step == steps[c]);
      CHECK(run.checkpoints[c].optimizer.empty());
      CHECK(run.checkpoints[c].learning_rate_sum ==
            Approx(0.05 * static_cast<double>(steps[c] - (c ? steps[c - 1] : 0))));
      // At a constant rate a run of that many steps ends there.
      SgdParams shorter = params;
      shorter.epochs.reset();
      shorter.steps = steps[c];
      const TrainedRun ended = train_one(shorter, problem, kSeed);
      CHECK(same_bytes(ended.weights.parameters, run.checkpoints[c].weights.parameters));
      CHECK(same_bytes(ended.weights.buffers, run.checkpoints[c].weights.buffers));
    }
    CHECK(same_bytes(run.checkpoints[3].weights.parameters, run.weights.parameters));
  }
}

TEST_CASE("the sums of rates follow the schedule, and together make the sum of the run") {
  const Problem problem = table(50, 5, 3, Task::classification);
  SgdParams params = plain(mlp({6}));
  params.schedule.kind = ScheduleKind::triangle;
  params.epochs = 10;  // 70 steps
  const TrainedRun run = train_one(params, problem, kSeed, {{5, false}});
  // The triangle up to its peak at step 14: lr * 14 / 2, less half a step's rise.
  CHECK(run.checkpoints[0].learning_rate_sum == Approx(0.05 * (7 - 0.5)));
  double sum = 0;
  for (const Checkpoint& checkpoint : run.checkpoints) sum += checkpoint.learning_rate_sum;
  CHECK(sum == Approx(0.05 * 35));
  CHECK(run.facts.at("learning_rate_sum").get<double>() == Approx(0.05 * 35));
}

TEST_CASE("no checkpoints are made when none are asked for, and more than steps are refused") {
  const Problem problem = table(20, 5, 3, Task::classification);
  SgdParams params = plain(mlp({}));
  CHECK(train_one(params, problem).checkpoints.empty());
  CHECK(thrown_text<ConfigError>([&] { train_one(params, problem, kSeed, {{7, false}}); }) ==
        "epochs: make 6 steps, and 7 checkpoints are asked for");
}

TEST_CASE("running statistics of batch norm move with training") {
  const Problem problem = images(30, 2, 5, 5);
  const TrainedRun run = train_one(plain(conv()), problem);
  REQUIRE(run.weights.buffers.defined());
  CHECK(run.weights.buffers.slice(0, 0, 4).abs().min().item<float>() > 0);  // means began at 0
}

// ---- hidden pixels
// --------------------------------------------------------------------------------------------------

TEST_CASE("hidden pixels change nothing, in training and in prediction, augmented or not") {
  const Problem problem = images(40, 3, 8, 8);
  const Region square{Region::Shape::square, 1, 2, 3};
  for (const Region& region : {square, Region{Region::Shape::corners, 0, 0, 1}}) {
    Problem changed = problem;
    changed.train.inputs = problem.train.inputs.clone();
    changed.train.inputs.masked_fill_(region.mask(8, 8), 201);
    SgdParams fused = plain(mlp({8})), autograd = plain(conv()), augmented = plain(conv());
    augmented.augment.resize(4);
    augmented.augment[1].kind = AugmentationKind::shift;
    augmented.augment[1].pixels = 3;
    augmented.augment[2].kind = AugmentationKind::rotate;
    augmented.augment[2].degrees = 40;
    augmented.augment[3].kind = AugmentationKind::mixup;
    augmented.augment[3].alpha = 1;
    for (SgdParams params : {fused, autograd, augmented}) {
      CAPTURE(params.augment.size());
      CAPTURE(params.model.plugin);
      params.input_mask = region;
      const TrainedRun a = train_one(params, problem), b = train_one(params, changed);
      CHECK(same_bytes(a.weights.parameters, b.weights.parameters));
      const Predictor predictor = make_sgd(params)->predictor(problem.facts, {}, TestFactory());
      const at::Tensor outputs = predictor.outputs(a.weights, problem.train.inputs);
      CHECK(same_bytes(outputs, predictor.outputs(a.weights, changed.train.inputs)));
      // Without the mask they do matter.
      params.input_mask.reset();
      const TrainedRun c = train_one(params, problem), d = train_one(params, changed);
      CHECK_FALSE(same_bytes(c.weights.parameters, d.weights.parameters));
    }
  }
}

TEST_CASE("the predictor shows the model what training showed it") {
  const Problem problem = images(4, 3, 5, 5);
  SgdParams params = plain(mlp({}));
  params.input_mask = Region{Region::Shape::corners, 0, 0, 1};
  const Predictor predictor = make_sgd(params)->predictor(problem.facts, {}, TestFactory());
  const at::Tensor seen = predictor.view.apply(problem.train.inputs);
  const double pixel = problem.train.inputs[2][1][2][3].item<double>() / 255;
  CHECK(seen[2][1][2][3].item<double>() == Approx((pixel - 0.4) / 0.3).epsilon(1e-5));
  CHECK(seen[2][1][4][0].item<double>() == Approx((0.25 - 0.4) / 0.3).epsilon(1e-5));
}

TEST_CASE("augmentations reach the training of a network that has kernels") {
  const Problem problem = images(40, 1, 6, 6);
  SgdParams params = plain(mlp({8}));
  params.augment.resize(1);
  const TrainedRun flipped = train_one(params, problem);
  CHECK(flipped.facts.at("engine") == "autograd");
  params.augment[0].probability = 0;
  const TrainedRun still = train_one(params, problem);
  params.augment.clear();
  const TrainedRun fused = train_one(params, problem);
  CHECK(largest_difference(still.weights.parameters, fused.weights.parameters) < kRounding);
  CHECK(largest_difference(flipped.weights.parameters, fused.weights.parameters) > 1e-3);
}

// ---- starting from other weights
// ------------------------------------------------------------------------------------

/// A model trained on 3 classes, as the runs of algorithm "pretrained".
InputRuns pretrained(const SgdParams& params, const Problem& problem) {
  const TrainedRun run = train_one(params, problem, 99);
  return {{"pretrained",
           {{make_sgd(params)->predictor(problem.facts, {}, TestFactory()), run.weights, {}, {}, {}}}}};
}

TEST_CASE("training goes on from the weights of another run, buffers included") {
  const Problem problem = images(40, 2, 5, 5);
  SgdParams params = plain(conv());
  const InputRuns from = pretrained(params, problem);
  params.init.from = Reference{"pretrained"};
  params.lr = 1e-30;  // the weights stay where they are
  params.weight_decay = 0;
  const TrainedRun run = train_one(params, problem, kSeed, {{}, {from}});
  CHECK(same_bytes(run.weights.parameters, from.at("pretrained")[0].weights.parameters));
  // The given weights are not trained on in place.
  params.lr = 0.1;
  const at::Tensor before = from.at("pretrained")[0].weights.parameters.clone();
  const at::Tensor buffers = from.at("pretrained")[0].weights.buffers.clone();
  train_one(params, problem, kSeed, {{}, {from}});
  CHECK(same_bytes(before, from.at("pretrained")[0].weights.parameters));
  CHECK(same_bytes(buffers, from.at("pretrained")[0].weights.buffers));
}

TEST_CASE("a replaced head is fresh and the body keeps its bytes") {
  const Problem three = images(40, 2, 5, 5, 3), five = images(40, 2, 5, 5, 5);
  SgdParams params = plain(mlp({6}));
  const InputRuns from = pretrained(params, three);
  params.init.from = Reference{"pretrained"};
  params.init.replace_head = true;
  params.lr = 1e-30;
  params.weight_decay = 0;
  const TrainedRun run = train_one(params, five, kSeed, {{}, {from}});
  const TestMlp model({50, 6, 5}, true), old({50, 6, 3}, true);
  RandomStream random(kSeed, "init");
  const at::Tensor fresh = model.initialise(random).parameters;
  for (const char* name : {"layer0.weight", "layer0.bias"}) {
    CHECK(same_bytes(model.parameters().view(run.weights.parameters, name),
                     old.parameters().view(from.at("pretrained")[0].weights.parameters, name)));
  }
  for (const char* name : {"layer1.weight", "layer1.bias"}) {
    // Biases begin at 0, where a step of 1e-30 shows.
    const at::Tensor trained = model.parameters().view(run.weights.parameters, name);
    CHECK(largest_difference(trained, model.parameters().view(fresh, name)) < 1e-28);
  }
}

TEST_CASE("weights that do not fit are refused with both shapes") {
  const Problem three = images(40, 2, 5, 5, 3), five = images(40, 2, 5, 5, 5);
  SgdParams params = plain(mlp({6}));
  const InputRuns from = pretrained(params, three);
  params.init.from = Reference{"pretrained"};
  CHECK(thrown_text<ConfigError>([&] { train_one(params, five, kSeed, {{}, {from}}); }) ==
        "init: tensor 'layer1.weight' is [5, 6] in the model and [3, 6] in algorithm 'pretrained'; "
        "`replace_head: true` "
        "starts the last layer anew");
  params.model = mlp({7});
  CHECK(
      thrown_text<ConfigError>([&] { train_one(params, three, kSeed, {{}, {from}}); }) ==
      "init: tensor 'layer0.weight' is [7, 50] in the model and [6, 50] in algorithm 'pretrained'");
  params.model = mlp({6, 3});
  CHECK(thrown_text<ConfigError>([&] { train_one(params, three, kSeed, {{}, {from}}); }) ==
        "init: tensor 'layer2.weight' [3, 3] of the model is not in algorithm 'pretrained'; "
        "`replace_head: true` starts "
        "the last layer anew");
  params.init.replace_head = true;
  params.model = mlp({6, 4});
  CHECK(thrown_text<ConfigError>([&] { train_one(params, three, kSeed, {{}, {from}}); }) ==
        "init: tensor 'layer1.weight' is [4, 6] in the model and [3, 6] in algorithm 'pretrained'");
}

TEST_CASE("training starts from the named tensors of a file") {
  const Problem problem = table(20, 5, 3, Task::classification);
  const TestMlp model({5, 3}, true);
  const at::Tensor weights = at::arange(1, 1 + model.parameters().count(), at::kFloat) / 10;
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / "sgd_test_init.safetensors";
  write_tensors(file, {{"layer0.weight", model.parameters().view(weights, "layer0.weight").clone()},
                       {"layer0.bias", model.parameters().view(weights, "layer0.bias").clone()}});
  SgdParams params = plain(mlp({}));
  params.init.file = DataPath{file.string()};
  params.lr = 1e-30;
  params.weight_decay = 0;
  CHECK(same_bytes(train_one(params, problem).weights.parameters, weights));
  params.model = mlp({4});
  CHECK(thrown_text<ConfigError>([&] { train_one(params, problem); }) ==
        "init: tensor 'layer0.weight' is [4, 5] in the model and [3, 5] in '" + file.string() +
            "'");
  std::filesystem::remove(file);
}

// ---- what goes wrong
// ------------------------------------------------------------------------------------------------

TEST_CASE("a loss that is not finite ends the run with its place and what to try") {
  Problem problem = table(20, 5, 3, Task::classification);
  problem.train.inputs[3][2] = std::nanf("");
  for (const bool kernels : {true, false}) {
    CAPTURE(kernels);
    SgdParams params = plain(mlp({4}, kernels));
    params.batch = 20;
    CHECK(thrown_text<NumericalError>([&] { train_one(params, problem); }) ==
          "algorithm A, run 0: the training loss is nan at step 1 of 2 (epoch 1 of 2, learning "
          "rate 0.05); try a lower "
          "`lr`, `clip: 1` or a schedule that begins lower");
  }
}

TEST_CASE("a learning rate far too high is named with the step at which the loss is lost") {
  const Problem problem = table(40, 5, 3, Task::classification);
  for (const bool kernels : {true, false}) {
    CAPTURE(kernels);
    SgdParams params = plain(mlp({4}, kernels));
    params.batch = 20;
    params.lr = 1e38;
    const std::string text = thrown_text<NumericalError>([&] { train_one(params, problem); });
    CAPTURE(text);
    CHECK(text.find("algorithm A, run 0: the training loss is ") == 0);
    CHECK(text.find(" at step 2 of 4 (epoch 1 of 2, learning rate 1e+38); try a lower `lr`") !=
          std::string::npos);
  }
}

TEST_CASE("weights lost in the last update are noticed") {
  Problem problem = table(20, 5, 3, Task::classification);
  problem.train.inputs *= 1000;
  for (const bool kernels : {true, false}) {
    CAPTURE(kernels);
    SgdParams params = plain(mlp({4}, kernels));
    params.batch = 20;
    params.epochs = 1;
    params.lr = 1e38;
    CHECK(thrown_text<NumericalError>([&] { train_one(params, problem); }) ==
          "algorithm A, run 0: the weights are not finite after the last of 1 steps (epoch 1 of 1, "
          "learning rate 1e+38); "
          "try a lower `lr` or `clip: 1`");
  }
}

/// Asks to stop after a time; keeps what it was told.
class Impatient final : public Quiet {
 public:
  void update(double share, const std::string& what) override {
    shares.push_back(share);
    label = what;
  }
  void check_stop() const override {
    if (std::chrono::steady_clock::now() - begin_ > std::chrono::milliseconds(100))
      throw Interrupted("stopped");
  }
  std::vector<double> shares;
  std::string label;

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

TEST_CASE("a long run stops soon after it is asked to, and says how far it is before") {
  const Problem problem = table(50, 5, 3, Task::classification);
  for (const bool kernels : {true, false}) {
    CAPTURE(kernels);
    SgdParams params = plain(mlp({64, 64}, kernels));
    params.epochs.reset();
    params.steps = 1'000'000;
    params.batch = 1;
    params.lr = 1e-4;
    Impatient progress;
    const auto begin = std::chrono::steady_clock::now();
    CHECK_THROWS_AS(train_one(params, problem, kSeed, {{}, {}, &progress}), Interrupted);
    // Generous, as tests share the machine; without a question the run would take minutes.
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
    CHECK(progress.label == "algorithm A, run 0");
    CHECK(std::is_sorted(progress.shares.begin(), progress.shares.end()));
  }
}

TEST_CASE("more of the batch or of the data is more memory, by the engine that is taken") {
  const Problem picture = images(4, 3, 8, 8);
  SgdParams fused = plain(mlp({8})), autograd = plain(conv());
  const auto bytes = [&](const SgdParams& params, std::int64_t examples) {
    return make_sgd(params)->memory_bytes(picture.facts, {}, examples, TestFactory());
  };
  CHECK(bytes(fused, 100000) > 100000.0 * 3 * 8 * 8 * 4);
  CHECK(bytes(autograd, 100000) == bytes(autograd, 1000));
  const double small = bytes(autograd, 1000);
  autograd.batch = 80;
  // One image's convolution has 3 x 64 inputs and 4 x 64 outputs.
  CHECK(bytes(autograd, 1000) - small > 72.0 * 4 * (7 * 64));
}

// ---- a recipe
// -------------------------------------------------------------------------------------------------------

/// The 8x8 digits: 1,200 rows to train on, 597 to test, drawn by seed 0. Empty when the file is not
/// there.
std::optional<std::pair<Problem, Examples>> digits() {
  const char* folder = std::getenv("MODELDIFF_DATA");
  std::ifstream file(std::filesystem::path(folder ? folder : "") / "digits" / "digits.csv");
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  std::vector<float> pixels;
  std::vector<std::int64_t> labels;
  while (std::getline(file, line)) {
    std::istringstream row(line);
    std::string cell;
    for (int i = 0; i < 64 && std::getline(row, cell, ','); ++i)
      pixels.push_back(std::stof(cell) / 16);
    std::getline(row, cell, ',');
    labels.push_back(std::stoll(cell));
  }
  const auto n = static_cast<std::int64_t>(labels.size());
  const Examples all{at::tensor(pixels).view({n, 1, 8, 8}), at::tensor(labels, at::kLong), {}, {}};
  const at::Tensor order = at::tensor(RandomStream(0, "split").permutation(n), at::kLong);
  Problem problem;
  problem.facts.name = "digits";
  problem.facts.input_shape = {1, 8, 8};
  problem.facts.outputs = 10;
  problem.facts.fill = {0};
  problem.facts.mean = {0.3f};
  problem.facts.deviation = {1};
  problem.train = all.select(order.slice(0, 0, 1200));
  return std::pair{problem, all.select(order.slice(0, 1200))};
}

double accuracy(const SgdParams& params, const Problem& problem, const Examples& test,
                const TrainedRun& run) {
  const Predictor predictor = make_sgd(params)->predictor(problem.facts, {}, TestFactory());
  const at::Tensor guess = predictor.outputs(run.weights, test.inputs).argmax(1);
  return (guess == test.targets).to(at::kDouble).mean().item<double>();
}

TEST_CASE("a network of 64 units learns the digits to more than nine in ten") {
  const auto data = digits();
  if (!data) {
    MESSAGE("skipped: MODELDIFF_DATA holds no digits/digits.csv");
    return;
  }
  SgdParams params;
  params.model = mlp({64});
  params.epochs = 20;
  for (const std::uint64_t seed : {0, 1, 2}) {
    CAPTURE(seed);
    CHECK(accuracy(params, data->first, data->second, train_one(params, data->first, seed)) > 0.9);
  }
  params.augment.resize(1);
  params.augment[0].kind = AugmentationKind::shift;
  params.augment[0].pixels = 1;
  CHECK(accuracy(params, data->first, data->second, train_one(params, data->first, 0)) > 0.85);
}

}  // namespace
}  // namespace modeldiff
