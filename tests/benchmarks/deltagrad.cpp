// Retraining of multinomial logistic regression on MNIST and its approximation by DeltaGrad: L2
// .005, rate .1, from w = 0, in one process on the same kernels.
//   deltagrad --mnist FOLDER [--steps 300] [--batch 0] [--delete 0.01] [--threads 2] [--repeat 3]
//             [--seed 0] [--rows FILE] [--against FILE]
// --batch 0 takes all rows in each step. --rows names a safetensors file with `deleted` [r], the
// rows to delete in place of drawn ones; --against one with weights `w` [10, 785], bias last, of
// another program's retraining. Prints a line of JSON for retraining and one for each way to
// approximate it, timed in turns: seconds are medians. --requests Q adds Q deletions of one row,
// answered one by one and --at-once so many in one pass.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "modeldiff/core/random.h"
#include "modeldiff/descent.h"
#include "modeldiff/tensors.h"
#include "plugins/algorithms/deltagrad/delta_descent.h"
#include "plugins/datasets/mnist/idx_reader.h"

namespace {

using namespace modeldiff;

struct Options {
  std::filesystem::path mnist, rows, against;
  std::int64_t steps = 300, batch = 0, threads = 2, repeat = 3, seed = 0;
  std::int64_t requests = 0, at_once = 16;
  double deleted = 0.01;
};

Options parse(int argc, char** argv) {
  Options out;
  const std::map<std::string, std::function<void(const std::string&)>> keys = {
      {"--mnist", [&](const std::string& v) { out.mnist = v; }},
      {"--rows", [&](const std::string& v) { out.rows = v; }},
      {"--against", [&](const std::string& v) { out.against = v; }},
      {"--steps", [&](const std::string& v) { out.steps = std::stoll(v); }},
      {"--batch", [&](const std::string& v) { out.batch = std::stoll(v); }},
      {"--threads", [&](const std::string& v) { out.threads = std::stoll(v); }},
      {"--repeat", [&](const std::string& v) { out.repeat = std::stoll(v); }},
      {"--seed", [&](const std::string& v) { out.seed = std::stoll(v); }},
      {"--requests", [&](const std::string& v) { out.requests = std::stoll(v); }},
      {"--at-once", [&](const std::string& v) { out.at_once = std::stoll(v); }},
      {"--delete", [&](const std::string& v) { out.deleted = std::stod(v); }}};
  for (int i = 1; i + 1 < argc; i += 2) keys.at(argv[i])(argv[i + 1]);
  return out;
}

/// A way to approximate retraining.
struct Way {
  std::string name;
  DeltaGradParams params;
};

Way way(std::string name, QuasiHessianKind kind, std::int64_t pairs, ExactStepsParams exact) {
  DeltaGradParams params;
  params.quasi_hessian = kind;
  params.pairs = pairs;
  params.exact = exact;
  // The paper's has none for losses that are convex.
  if (kind == QuasiHessianKind::compact_bfgs) params.safeguards = Safeguards::none;
  return {std::move(name), params};
}

std::vector<Way> all_ways() {
  const auto periodic = [](std::int64_t period, std::int64_t burn_in) {
    ExactStepsParams out;
    out.period = period;
    out.burn_in = burn_in;
    return out;
  };
  const auto adaptive = [](double tolerance) {
    ExactStepsParams out;
    out.kind = ExactStepsKind::adaptive;
    out.burn_in = 4;
    out.tolerance = tolerance;
    return out;
  };
  constexpr auto compact = QuasiHessianKind::compact_bfgs;
  constexpr auto kronecker = QuasiHessianKind::multisecant_kfac;
  constexpr auto multisecant = QuasiHessianKind::multisecant;
  return {way("paper, T0 5", compact, 2, periodic(5, 10)),
          way("paper, T0 10", compact, 2, periodic(10, 10)),
          way("multisecant, T0 5", multisecant, 10, periodic(5, 4)),
          way("multisecant, T0 6", multisecant, 10, periodic(6, 4)),
          way("multisecant, T0 8", multisecant, 10, periodic(8, 4)),
          way("multisecant, adaptive .02", multisecant, 12, adaptive(0.02)),
          way("multisecant, adaptive .05", multisecant, 12, adaptive(0.05)),
          way("K-FAC, T0 10", kronecker, 10, periodic(10, 4)),
          way("K-FAC, adaptive .02", kronecker, 12, adaptive(0.02)),
          way("K-FAC, adaptive .05", kronecker, 12, adaptive(0.05))};
}

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

DataChange deletion_of(const Options& options, std::int64_t n) {
  DataChange out;
  if (options.rows.empty()) {
    const auto count = static_cast<std::int64_t>(options.deleted * static_cast<double>(n));
    for (const std::int64_t row : RandomStream(options.seed, "deleted").choose(n, count))
      out.removed.push_back(static_cast<std::int32_t>(row));
    return out;
  }
  const at::Tensor rows = read_tensors(options.rows).at("deleted").to(at::kInt).contiguous();
  out.removed.assign(rows.const_data_ptr<std::int32_t>(),
                     rows.const_data_ptr<std::int32_t>() + rows.numel());
  return out;
}

/// Largest difference between our weights [W, b] and [10, 785] with the bias last.
double largest_difference(const at::Tensor& w, const std::filesystem::path& file) {
  const at::Tensor theirs = read_tensors(file).at("w").to(at::kDouble);
  const at::Tensor ours =
      at::cat({w.narrow(0, 0, 7840).view({10, 784}), w.narrow(0, 7840, 10).unsqueeze(1)}, 1);
  return (ours - theirs).abs().max().item<double>();
}

at::Tensor bytes_of(const std::filesystem::path& file, int dimensions) {
  IdxArray array = read_idx(file, dimensions);
  return at::from_blob(array.values.data(), array.shape, at::kByte).clone();
}

/// Deletions of one row, each by itself and many in one pass.
void time_requests(const Options& options, const Objective& objective, const Trajectory& trajectory,
                   DeltaGradParams params) {
  const auto n = static_cast<std::int64_t>(trajectory.plan.rows.size());
  std::vector<DataChange> changes(static_cast<std::size_t>(options.requests));
  const std::vector<std::int64_t> rows =
      RandomStream(options.seed, "requests").choose(n, options.requests);
  for (std::size_t i = 0; i < changes.size(); ++i)
    changes[i].removed = {static_cast<std::int32_t>(rows[i])};
  const auto answered = [&](std::span<const DataChange> some) {
    std::vector<deltagrad::DeltaRequest> requests;
    for (const DataChange& change : some) {
      requests.push_back({.before = objective,
                          .after = objective,
                          .trajectory = trajectory,
                          .change = change,
                          .params = params});
    }
    return deltagrad::delta_descend_together(requests);
  };
  constexpr std::size_t kAlone = 8;  // one by one each takes as long
  const std::span<const DataChange> all(changes);
  const std::size_t alone = std::min(kAlone, all.size());
  double largest = 0;
  std::vector<at::Tensor> single;
  const double one_by_one = seconds_of([&] {
    for (std::size_t i = 0; i < alone; ++i)
      single.push_back(std::move(answered(all.subspan(i, 1)).front().v));
  });
  params.at_once = options.at_once;
  const auto most = static_cast<std::size_t>(options.at_once);
  std::vector<at::Tensor> together;
  const double in_one_pass = seconds_of([&] {
    for (std::size_t begin = 0; begin < all.size(); begin += most) {
      for (auto& result : answered(all.subspan(begin, std::min(most, all.size() - begin))))
        together.push_back(std::move(result.v));
    }
  });
  for (std::size_t i = 0; i < alone; ++i)
    largest =
        std::max(largest, ((together[i] - single[i]).norm() / single[i].norm()).item<double>());
  const double each = one_by_one / static_cast<double>(alone);
  const double shared = in_one_pass / static_cast<double>(all.size());
  const Json row = {{"task", "requests of one row"},  {"requests", options.requests},
                    {"at_once", options.at_once},     {"seconds_each_alone", each},
                    {"seconds_each_at_once", shared}, {"times_faster", each / shared},
                    {"largest_difference", largest},  {"peak_mb", peak_megabytes()}};
  fmt::print("{}\n", row.dump());
}

void run(const Options& options) {
  at::set_num_threads(static_cast<int>(options.threads));
  const at::Tensor inputs = bytes_of(options.mnist / "train-images-idx3-ubyte.gz", 3);
  const at::Tensor labels = bytes_of(options.mnist / "train-labels-idx1-ubyte.gz", 1).to(at::kLong);
  const std::int64_t n = inputs.size(0);
  const auto objective =
      make_linear_objective(inputs, labels, 10, /*bias=*/true, {}, Precision::float32);
  Trajectory trajectory;
  DescentPlan& plan = trajectory.plan;
  plan.rows.resize(static_cast<std::size_t>(n));
  std::iota(plan.rows.begin(), plan.rows.end(), 0);
  plan.seed = static_cast<std::uint64_t>(options.seed);
  plan.batch = options.batch;
  plan.rates.assign(static_cast<std::size_t>(options.steps), 0.1);
  plan.weight_decay = 0.005;
  trajectory.initial = at::zeros({objective->parameters()}, at::kDouble);

  const auto descent = [&](const DataChange& change, bool keep) {
    return descend({.objective = *objective,
                    .plan = plan,
                    .change = change,
                    .initial = trajectory.initial,
                    .keep = keep ? TrajectoryForm::exact : TrajectoryForm::none});
  };
  Descent first;
  const double training = seconds_of([&] { first = descent({}, true); });
  trajectory.gradients = first.gradients;
  const DataChange change = deletion_of(options, n);

  const std::vector<Way> ways = all_ways();
  if (options.requests > 0) {
    time_requests(options, *objective, trajectory, ways[4].params);
    return;
  }
  std::vector<double> retraining;
  std::vector<std::vector<double>> times(ways.size());
  std::vector<deltagrad::DeltaResult> results(ways.size());
  at::Tensor truth;
  for (std::int64_t i = 0; i < options.repeat; ++i) {
    retraining.push_back(seconds_of([&] { truth = descent(change, false).w; }));
    for (std::size_t k = 0; k < ways.size(); ++k) {
      times[k].push_back(seconds_of([&] {
        results[k] = deltagrad::delta_descend({.before = *objective,
                                               .after = *objective,
                                               .trajectory = trajectory,
                                               .change = change,
                                               .params = ways[k].params});
      }));
    }
  }
  const double moved = (first.w - truth).norm().item<double>();
  const auto steps = static_cast<double>(options.steps);
  Json row = {{"task", "retrain"},
              {"steps", options.steps},
              {"batch", options.batch},
              {"deleted", change.removed.size()},
              {"threads", options.threads},
              {"seconds", median(retraining)},
              {"iterations_per_second", steps / median(retraining)},
              {"training_seconds_with_trajectory", training},
              {"trajectory_mb", static_cast<double>(trajectory.gradients.nbytes()) / 1e6},
              {"moved", moved},
              {"peak_mb", peak_megabytes()}};
  if (!options.against.empty())
    row["largest_difference"] = largest_difference(truth, options.against);
  fmt::print("{}\n", row.dump());
  for (std::size_t k = 0; k < ways.size(); ++k) {
    const double time = median(times[k]);
    const Json line = {{"task", ways[k].name},
                       {"seconds", time},
                       {"times_retraining", median(retraining) / time},
                       {"exact_steps", results[k].report.exact_steps},
                       {"relative_distance", (results[k].w - truth).norm().item<double>() / moved}};
    fmt::print("{}\n", line.dump());
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(parse(argc, argv));
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_deltagrad: {}\n", error.what());
    return 1;
  }
}
