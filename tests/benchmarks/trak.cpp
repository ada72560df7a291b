// Features and scores of the `trak` attributor on the work of a peer's run: an MNIST MLP
// 784-256-128-10 and 10,000 + 1,000 examples, projected to 2,048 numbers.
//
//   bench_trak --work FOLDER [--repeat N] [--threads N] [--projection K] [--kind KIND] [--memory MIB]
//              [--against FILE]
//
// FOLDER holds mnist_10000_1000.safetensors (train_x, train_y, test_x, test_y) and
// mnist_mlp_n10000_e3_s0.safetensors (0.weight, 0.bias, 2.weight, ...). `--against` names a file of
// that folder with scores [train, test] of another program. Prints one JSON line.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "modeldiff/tensors.h"
#include "tests/plugins/attributors/attributor_plugin.h"
#include "tests/plugins/attributors/small_models.h"

namespace {

using namespace modeldiff;
using namespace modeldiff::testing;

struct Options {
  std::filesystem::path work;
  std::string against;
  int repeat = 3;
  int threads = 2;
  std::int64_t projection = 2048;
  std::string kind = "rademacher";
  std::int64_t memory = 1024;
};

Options parse(int argc, char** argv) {
  Options out;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string key = argv[i];
    const std::string value = argv[i + 1];
    if (key == "--work") {
      out.work = value;
    } else if (key == "--against") {
      out.against = value;
    } else if (key == "--repeat") {
      out.repeat = std::stoi(value);
    } else if (key == "--threads") {
      out.threads = std::stoi(value);
    } else if (key == "--projection") {
      out.projection = std::stoll(value);
    } else if (key == "--kind") {
      out.kind = value;
    } else if (key == "--memory") {
      out.memory = std::stoll(value);
    } else {
      throw std::invalid_argument("unknown option " + key);
    }
  }
  if (out.work.empty()) throw std::invalid_argument("name the folder of inputs: --work FOLDER");
  return out;
}

std::unique_ptr<Fixture> load(const Options& options) {
  const auto model = std::make_shared<MlpModel>(std::vector<std::int64_t>{784, 256, 128, 10});
  auto out = std::make_unique<Fixture>();
  const TensorMap weights = read_tensors(options.work / "mnist_mlp_n10000_e3_s0.safetensors");
  std::vector<at::Tensor> flat;
  for (const char* layer : {"0", "2", "4"}) {
    for (const char* part : {".weight", ".bias"})
      flat.push_back(weights.at(std::string(layer) + part).flatten());
  }
  out->weights.parameters = at::cat(flat);
  out->predictor.model = model;
  out->facts.outputs = 10;
  out->facts.input_shape = {784};
  const TensorMap data = read_tensors(options.work / "mnist_10000_1000.safetensors");
  out->train.inputs = data.at("train_x");
  out->train.targets = data.at("train_y");
  out->queries.inputs = data.at("test_x");
  out->queries.targets = data.at("test_y");
  return out;
}

double peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

double correlation(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.flatten().to(at::kDouble) - a.mean(at::kDouble);
  const at::Tensor y = b.flatten().to(at::kDouble) - b.mean(at::kDouble);
  return (x.dot(y) / (x.norm() * y.norm())).item<double>();
}

/// Share of the 10 training examples with the largest scores that have the query's label.
double top_same_label(const at::Tensor& scores, const Fixture& fixture) {
  const at::Tensor top = std::get<1>(scores.topk(10, 1));
  return fixture.train.targets.index_select(0, top.flatten())
      .view_as(top)
      .eq(fixture.queries.targets.unsqueeze(1))
      .to(at::kDouble)
      .mean()
      .item<double>();
}

int run(const Options& options) {
  at::set_num_threads(options.threads);
  auto fixture = load(options);
  const auto attributor = make_attributor({{"projection", options.projection},
                                           {"projection_kind", options.kind},
                                           {"memory", options.memory},
                                           {"q_power", 1}});
  at::matmul(at::ones({512, 512}),
             at::ones({512, 512}));  // threads and libraries are there before the clock starts
  const double before = peak_megabytes();

  std::vector<double> seconds;
  at::Tensor scores;
  double peak = 0;
  for (int repeat = 0; repeat < options.repeat; ++repeat) {
    scores.reset();
    const auto begin = std::chrono::steady_clock::now();
    const RunsInMemory runs(
        std::vector<TensorMap>{attributor->score_run({.facts = fixture->facts,
                                                      .train = fixture->train,
                                                      .queries = fixture->queries,
                                                      .predictor = fixture->predictor,
                                                      .weights = fixture->weights,
                                                      .checkpoints = fixture->checkpoints,
                                                      .subset = {},
                                                      .seed = static_cast<std::uint64_t>(repeat),
                                                      .progress = fixture->progress})});
    if (repeat == 0) peak = peak_megabytes();
    scores = attributor
                 ->combine({.runs = runs,
                            .train = fixture->train,
                            .queries = fixture->queries,
                            .progress = fixture->progress})
                 .scores;
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::vector<double> sorted = seconds;
  std::sort(sorted.begin(), sorted.end());
  const double median = sorted[sorted.size() / 2];
  const auto examples = static_cast<double>(fixture->train.size() + fixture->queries.size());
  const auto parameters = static_cast<double>(fixture->predictor.model->parameters().count());
  Json row = {{"task", "trak"},
              {"projection_kind", options.kind},
              {"seconds", median},
              {"all_seconds", seconds},
              {"examples_per_second", examples / median},
              {"dense_projection_gflops",
               2 * examples * parameters * static_cast<double>(options.projection) / median / 1e9},
              {"threads", options.threads},
              {"peak_mb", peak},
              {"peak_mb_before", before},
              {"top10_same_label", top_same_label(scores, *fixture)}};
  if (!options.against.empty()) {
    const at::Tensor peer = read_tensors(options.work / options.against).at("scores");
    row["correlation"] = correlation(scores, peer.t());
  }
  std::cout << row.dump() << "\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(parse(argc, argv));
  } catch (const std::exception& error) {
    std::cerr << "bench_trak: " << error.what() << "\n";
    return 1;
  }
}
