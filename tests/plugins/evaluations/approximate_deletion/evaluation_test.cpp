// The evaluation on a ridge regression whose optimum is known, as the host makes it.
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"
#include "modeldiff/descent.h"
#include "modeldiff/evaluation.h"
#include "modeldiff/layers.h"
#include "plugins/evaluations/approximate_deletion/approximate_deletion_params.h"

extern "C" const modeldiff::PluginInfo* modeldiff_plugin_v1();

namespace modeldiff {
namespace {

constexpr std::int64_t kRows = 60, kColumns = 3, kRuns = 20;
constexpr double kPenalty = 0.1;

class Regression final : public Model {
 public:
  Regression() {
    parameters_.add("head.weight", {1, kColumns});
    parameters_.add("head.bias", {1});
  }
  Weights initialise(RandomStream&) const override { return {at::zeros({kColumns + 1}), {}}; }
  at::Tensor forward(const Weights& weights, const at::Tensor& inputs, Pass& pass) const override {
    return linear(pass, *this, weights, "head", inputs);
  }
  std::optional<MlpShape> mlp_shape() const override { return MlpShape{{kColumns, 1}}; }
  std::vector<std::string> head() const override { return {"head.weight", "head.bias"}; }
  double forward_flops() const override { return 2 * kColumns; }
};

at::Tensor numbers(at::IntArrayRef shape, std::uint64_t seed) {
  at::Tensor out = at::empty(shape, at::kFloat);
  RandomStream(seed).fill_normal(out.mutable_data_ptr<float>(), out.numel(), 1);
  return out;
}

class Silent final : public Progress {
 public:
  void update(double, const std::string&) override {}
  void check_stop() const override {}
};

/// Run i is made without row i. `quick` is off the truth by 0.001 (i + 2) in one weight.
struct Trial {
  DataFacts facts;
  Examples train{numbers({kRows, kColumns}, 1), numbers({kRows, 1}, 2), {}, {}};
  Predictor predictor{std::make_shared<Regression>(), {}};
  TrainedRun before;
  std::map<std::string, RunSet> runs;

  explicit Trial(double penalty = kPenalty) {
    facts.task = Task::regression;
    facts.input_shape = {kColumns};
    facts.outputs = 1;
    before = trained(penalty);
    add("before", [](std::int64_t) { return at::zeros({kColumns + 1}); });
    add("truth", [this](std::int64_t run) { return optimum(run).to(at::kFloat); });
    add("quick", [this](std::int64_t run) {
      at::Tensor w = optimum(run).to(at::kFloat);
      w[1] += 0.001 * static_cast<double>(run + 2);
      return w;
    });
  }

  TrainedRun trained(double penalty) const {
    Trajectory trajectory;
    trajectory.plan.rows.resize(kRows);
    std::iota(trajectory.plan.rows.begin(), trajectory.plan.rows.end(), 0);
    trajectory.plan.rates = {0.1};
    trajectory.plan.weight_decay = penalty;
    trajectory.initial = at::zeros({kColumns + 1}, at::kDouble);
    trajectory.data_digest = training_set_digest(train, trajectory.plan);
    TrainedRun out;
    leave_trajectory(trajectory, out);
    return out;
  }

  /// Of the mean of half the squared errors and the penalty, without row `run`; in closed form.
  at::Tensor optimum(std::int64_t run) const {
    const at::Tensor kept = at::arange(kRows).ne(run).nonzero().squeeze(1);
    const at::Tensor x =
        at::cat({train.inputs, at::ones({kRows, 1})}, 1).index_select(0, kept).to(at::kDouble);
    const at::Tensor y = train.targets.index_select(0, kept).to(at::kDouble);
    const at::Tensor hessian =
        x.t().mm(x) / (kRows - 1.0) + kPenalty * at::eye(kColumns + 1, at::kDouble);
    return at::linalg_solve(hessian, (x.t().mm(y) / (kRows - 1.0)).squeeze(1));
  }

  template <typename WeightsOf>
  void add(const std::string& name, WeightsOf weights_of) {
    const bool is_before = name == "before";
    RunSet& set = runs[name];
    set.predictor = predictor;
    set.keys.resize(kRuns);
    set.weights = [=](std::size_t run) {
      return Weights{weights_of(static_cast<std::int64_t>(run)), {}};
    };
    set.facts = [this](std::size_t) { return before.facts; };
    set.tensors = [=, this](std::size_t run) {
      if (is_before) return before.tensors;
      return TensorMap{{"change.removed", at::full({1}, static_cast<std::int64_t>(run), at::kInt)}};
    };
  }

  EvaluationResult evaluated(const ApproximateDeletionParams& params) const {
    const std::unique_ptr<Plugin> plugin =
        modeldiff_plugin_v1()->create(ApproximateDeletionParams::schema().write(params));
    Silent silent;
    const Json nothing;
    return dynamic_cast<const Evaluation&>(*plugin).evaluate({.facts = facts,
                                                              .train = train,
                                                              .test = train,
                                                              .queries = train,
                                                              .runs = runs,
                                                              .scores = {},
                                                              .subset_runs = {},
                                                              .compare = nothing,
                                                              .compare_tensors = {},
                                                              .verify = nothing,
                                                              .verify_tensors = {},
                                                              .progress = silent});
  }
};

ApproximateDeletionParams asked(DistanceBound bound) {
  ApproximateDeletionParams out;
  out.before.name = "before";
  out.truth.name = "truth";
  out.runs = kRuns;
  out.bound = bound;
  return out;
}

template <typename Body>
std::string refusal(const Body& body) {
  try {
    body();
  } catch (const ConfigError& error) {
    return error.diagnostics().front().path + ": " + error.diagnostics().front().message;
  }
  return "";
}

TEST_CASE(
    "an empirical bound is twice the largest distance of the first half, and says what it is") {
  const Trial trial;
  const EvaluationResult result = trial.evaluated(asked(DistanceBound::empirical));
  const Json& quick = result.values.at("quick");
  CHECK(quick.at("bound") == "empirical, not certified");
  CHECK(result.summary.find("empirical, not certified") != std::string::npos);
  CHECK(result.exhibits.at(0).title.find("empirical, not certified") != std::string::npos);
  CHECK(quick.at("d0").get<double>() == doctest::Approx(2 * 0.011).epsilon(1e-3));
  CHECK(quick.at("violations").at("estimate") == 0);  // the largest is 0.021
  CHECK(quick.at("violations").at("n") == 10);
  CHECK(quick.at("attack_auc").at("n") == 10);
  CHECK(quick.at("attack_auc").at("estimate") < quick.at("attack_bound"));
  CHECK(quick.at("delta_at_bound") <= 1e-5);
}

TEST_CASE("a certified bound is no less than the distance to the optimum in closed form") {
  const Trial trial;
  const EvaluationResult result = trial.evaluated(asked(DistanceBound::certified));
  const Json& quick = result.values.at("quick");
  CHECK(quick.at("bound") == "certified relative to the optimum on the remaining data");
  CHECK(quick.at("d0").get<double>() >= 0.021);
  CHECK_FALSE(quick.contains("violations"));
  // The truth is the optimum, but for the rounding of its weights to float32.
  CHECK(result.values.at("truth").at("d0").get<double>() < 1e-5);
}

TEST_CASE("what has no bound is refused, with what to do") {
  ApproximateDeletionParams few = asked(DistanceBound::empirical);
  few.runs = 19;
  CHECK(refusal([&] {
          Trial().evaluated(few);
        }).starts_with("runs: are 19: an empirical bound wants 20 deletions at least"));
  ApproximateDeletionParams loud = asked(DistanceBound::empirical);
  loud.epsilon = 2;
  CHECK(refusal([&] { Trial().evaluated(loud); }).starts_with("epsilon: is 2"));
  loud.mechanism = NoiseKind::laplace;
  CHECK(refusal([&] { Trial().evaluated(loud); }) == "");
  CHECK(refusal([&] {
          Trial(0).evaluated(asked(DistanceBound::certified));
        }).starts_with("bound: `certified` needs an L2 penalty"));
}

TEST_CASE("runs on other rows than the truth's are refused") {
  Trial trial;
  trial.runs.at("quick").tensors = [](std::size_t) {
    return TensorMap{{"change.removed", at::full({1}, 50, at::kInt)}};
  };
  CHECK(refusal([&] {
          trial.evaluated(asked(DistanceBound::empirical));
        }).starts_with("truth: run 0 of 'quick' changed other rows"));
}

}  // namespace
}  // namespace modeldiff
