// LASSO fits a second of lasso.h on masks and measurements from a file, or on drawn ones.
//
//   lasso --input FILE | --draw M,N,QUERIES [--mode fixed|path] [--threads N] [--repeat N] [--gap G]
//         [--lambdas K] [--ratio R] [--patience P] [--standardise 0|1] [--simd best|baseline|avx2|avx512]
//
// FILE is a safetensors file with X u8 [m, n] masks, Y f32 [m, N] measurements, W f32 [n, N] and B
// f32 [N] the weights and intercepts behind them, lam f64 [1]. `fixed` fits all runs at lam, judged
// on 1,000 fresh runs of the same truth; `path` chooses from K lambdas fitted on the first 80 % of
// the runs by the error on the others, on which it is judged. The time is that of one call, Gram
// matrix included; the median of the repetitions. Prints one JSON line.
//
// `--draw` is of memory: a path on m runs of n columns, each block of masks at keep .5 drawn when it is
// read and then forgotten, a tenth of the runs held out; 20 columns explain each query.

#include "modeldiff/lasso.h"

#include <ATen/ATen.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "modeldiff/tensors.h"

namespace {

using modeldiff::LassoFit;
using modeldiff::LassoOptions;
using modeldiff::LassoPath;
using modeldiff::RunSums;
using nlohmann::json;
using std::int64_t;

struct Options {
  std::string input;
  std::vector<int64_t> draw;  // runs, columns, queries
  std::string mode = "fixed";
  int64_t repeat = 5;
  int threads = 2;
  RunSums::Simd simd = RunSums::Simd::kBest;
  LassoOptions lasso{.standardise = false, .gap = 1e-5};
  LassoPath path{.lambdas = 30, .ratio = 0.05, .refit = false};
};

Options parse(int argc, char** argv) {
  const std::map<std::string, RunSums::Simd> sets = {{"best", RunSums::Simd::kBest},
                                                     {"baseline", RunSums::Simd::kBaseline},
                                                     {"avx2", RunSums::Simd::kAvx2},
                                                     {"avx512", RunSums::Simd::kAvx512}};
  Options o;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string key = argv[i], value = argv[i + 1];
    if (key == "--input")
      o.input = value;
    else if (key == "--draw")
      o.draw = nlohmann::json::parse("[" + value + "]").get<std::vector<int64_t>>();
    else if (key == "--mode")
      o.mode = value;
    else if (key == "--repeat")
      o.repeat = std::stoll(value);
    else if (key == "--threads")
      o.threads = std::stoi(value);
    else if (key == "--gap")
      o.lasso.gap = std::stod(value);
    else if (key == "--standardise")
      o.lasso.standardise = value == "1";
    else if (key == "--simd")
      o.simd = sets.at(value);
    else if (key == "--lambdas")
      o.path.lambdas = std::stoll(value);
    else if (key == "--ratio")
      o.path.ratio = std::stod(value);
    else if (key == "--patience")
      o.path.patience = std::stoll(value);
    else
      throw std::invalid_argument("unknown option " + key);
  }
  if (o.input.empty() == (o.draw.size() != 3) || (o.mode != "fixed" && o.mode != "path"))
    throw std::invalid_argument(
        "name --input FILE or --draw M,N,QUERIES, and --mode fixed or path");
  return o;
}

/// Worst violation of the optimality conditions, over lambda, of all queries, on the runs of the
/// fit.
double kkt_violation(const at::Tensor& masks, const at::Tensor& y, const LassoFit& fit,
                     bool standardise) {
  const at::Tensor raw = masks.to(at::kDouble), centred = raw - raw.mean(0);
  const at::Tensor s =
      standardise ? centred.square().mean(0).sqrt() : at::ones({raw.size(1)}, at::kDouble);
  const at::Tensor theta = fit.weights.t();
  const at::Tensor residual = y.to(at::kDouble) - fit.intercepts - raw.mm(theta);
  const at::Tensor gradient =
      centred.t().mm(residual) / s.unsqueeze(1) / static_cast<double>(masks.size(0));
  const at::Tensor off = at::where(theta != 0, (gradient - fit.lambdas * theta.sign()).abs(),
                                   (gradient.abs() - fit.lambdas).clamp_min(0));
  return (off.amax(0) / fit.lambdas).max().item<double>();
}

/// Mean over queries of the correlation of predictions and measurements over runs.
double mean_correlation(const at::Tensor& masks, const at::Tensor& y, const LassoFit& fit) {
  at::Tensor a = masks.to(at::kDouble).mm(fit.weights.t()), b = y.to(at::kDouble);
  a = a - a.mean(0);
  b = b - b.mean(0);
  return ((a * b).sum(0) / (a.square().sum(0) * b.square().sum(0)).sqrt()).mean().item<double>();
}

int64_t peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// A path on runs that are drawn a block at a time.
json run_drawn(const Options& o) {
  constexpr int64_t kBlock = 256, kWeights = 20;
  const int64_t m = o.draw[0], n = o.draw[1], queries = o.draw[2];
  at::manual_seed(1);
  at::Tensor truth = at::zeros({n, queries});
  for (int64_t q = 0; q < queries; ++q)
    truth.select(1, q).index_fill_(0, at::randperm(n).narrow(0, 0, kWeights), 0.2);
  const int64_t before = peak_megabytes();
  const auto start = std::chrono::steady_clock::now();
  double drawing = 0;
  RunSums sums(n, queries, o.threads, o.simd);
  for (int64_t first = 0; first < m; first += kBlock) {
    const auto begin = std::chrono::steady_clock::now();
    const int64_t count = std::min(kBlock, m - first);
    const at::Tensor masks = at::empty({count, n}, at::kBool).random_(0, 2);
    const at::Tensor y = masks.to(at::kFloat).mm(truth) + at::randn({count, queries});
    const at::Tensor heldout = at::arange(first, first + count).remainder(10).eq(0);
    drawing += seconds_since(begin);
    sums.add(masks, y, {}, heldout);
  }
  const double summing = seconds_since(start) - drawing;
  LassoPath path = o.path;
  path.refit = true;
  const LassoFit fit = modeldiff::lasso_path(sums, path, o.lasso);
  return {{"task", "lasso-drawn"},
          {"runs", m},
          {"columns", n},
          {"queries", queries},
          {"seconds", seconds_since(start) - drawing},
          {"seconds_of_sums", summing},
          {"seconds_of_drawing", drawing},
          {"peak_rss_mb", peak_megabytes()},
          {"rss_before_mb", before},
          {"estimated_mb", RunSums::memory_bytes(n, queries, m, m / 10) / (1 << 20)},
          {"threads", o.threads},
          {"density", fit.nonzeros.to(at::kDouble).mean().item<double>() / static_cast<double>(n)},
          {"rel_duality_gap", fit.worst_gap},
          {"unconverged", fit.unconverged}};
}

json run(const Options& o) {
  const modeldiff::TensorMap data = modeldiff::read_tensors(o.input);
  const at::Tensor &x = data.at("X"), &y = data.at("Y");
  const int64_t m = x.size(0), cut = o.mode == "fixed" ? m : m * 8 / 10;
  const auto once = [&] {
    RunSums sums(x.size(1), y.size(1), o.threads, o.simd);
    sums.add(x, y, {}, at::arange(m).ge(cut));
    return o.mode == "fixed" ? modeldiff::lasso(sums, data.at("lam"), o.lasso)
                             : modeldiff::lasso_path(sums, o.path, o.lasso);
  };
  LassoFit fit;
  std::vector<double> seconds;
  for (int64_t r = 0; r < o.repeat; ++r) {
    const auto start = std::chrono::steady_clock::now();
    fit = once();
    seconds.push_back(seconds_since(start));
  }
  const int64_t peak = peak_megabytes();
  const json all = seconds;
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];
  const double fits = static_cast<double>(y.size(1) * (o.mode == "fixed" ? 1 : o.path.lambdas));

  at::Tensor judge_x, judge_y;
  if (o.mode == "fixed") {
    at::manual_seed(1);
    judge_x = at::rand({1000, x.size(1)}).lt(0.5);
    const at::Tensor signal = judge_x.to(at::kFloat).mm(data.at("W")) + data.at("B");
    judge_y = signal + signal.std(0) * at::randn(signal.sizes());
  } else {
    judge_x = x.narrow(0, cut, m - cut);
    judge_y = y.narrow(0, cut, m - cut);
  }
  return {{"task", "lasso-" + o.mode},
          {"seconds", median},
          {"all_seconds", all},
          {"throughput", fits / median},
          {"unit", "lasso fits/s"},
          {"peak_rss_mb", peak},
          {"threads", o.threads},
          {"gap", o.lasso.gap},
          {"density",
           fit.nonzeros.to(at::kDouble).mean().item<double>() / static_cast<double>(x.size(1))},
          {"rel_duality_gap", fit.worst_gap},
          {"unconverged", fit.unconverged},
          {"sweeps_per_query", fit.sweeps.to(at::kDouble).mean().item<double>()},
          {"kkt_violation_over_lambda",
           kkt_violation(x.narrow(0, 0, cut), y.narrow(0, 0, cut), fit, o.lasso.standardise)},
          {"heldout_corr", mean_correlation(judge_x, judge_y, fit)}};
}

}  // namespace

int main(int argc, char** argv) try {
  const Options options = parse(argc, argv);
  std::cout << (options.draw.empty() ? run(options) : run_drawn(options)).dump() << "\n";
  return 0;
} catch (const std::exception& error) {
  std::cerr << "lasso: " << error.what() << "\n";
  return 2;
}
