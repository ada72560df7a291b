// Training of a narrow ResNet-9 on CIFAR-10 images: batch 256, float32, SGD with momentum .9 and
// weight decay 5e-4 at rate .05, no augmentation. Each worker is a process of one or more threads
// and trains its runs in turn.
//   train_cnn --work FOLDER [--n 10000] [--runs 1] [--workers 1] [--threads 1] [--epochs 1]
//             [--warm 4] [--batch 256]
// FOLDER holds cifar_<n>_2000.safetensors: train_x, test_x uint8 [rows, 3, 32, 32], train_y, test_y
// int64. Prints one line of JSON: images/s of all workers together, and the CPU seconds that one
// pass over the images took.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "modeldiff/autograd.h"
#include "modeldiff/tensors.h"
#include "workers/memory.h"
#include "../plugins/models/model_plugin.h"

namespace {

using namespace modeldiff;

struct Options {
  std::string work = ".";
  std::int64_t n = 10000, runs = 1, workers = 1, threads = 1, epochs = 1, warm = 4, batch = 256;
};

/// What one worker reports through its pipe.
struct Report {
  double seconds = 0, cpu_seconds = 0, accuracy = 0;
  std::int64_t images = 0;
};

Options parse(int argc, char** argv) {
  Options options;
  const std::map<std::string, std::int64_t*> numbers = {{"--n", &options.n},
                                                        {"--runs", &options.runs},
                                                        {"--workers", &options.workers},
                                                        {"--threads", &options.threads},
                                                        {"--epochs", &options.epochs},
                                                        {"--warm", &options.warm},
                                                        {"--batch", &options.batch}};
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string key = argv[i];
    if (key == "--work") {
      options.work = argv[i + 1];
    } else if (const auto found = numbers.find(key); found != numbers.end()) {
      *found->second = std::stoll(argv[i + 1]);
    } else {
      throw std::runtime_error("unknown option " + key);
    }
  }
  return options;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Trains one model and adds the timed part to the report.
void train(const Options& options, const Predictor& predictor, const at::Tensor& x,
           const at::Tensor& y, std::uint64_t seed, const TensorMap& data, Report& report) {
  RandomStream random(seed, "initialise");
  Weights weights = predictor.model->initialise(random);
  at::Tensor velocity = at::zeros_like(weights.parameters),
             gradient = at::empty_like(weights.parameters);
  const MlpSgd sgd{.momentum = 0.9, .weight_decay = 5e-4, .nesterov = false};
  const auto step = [&](const at::Tensor& rows) {
    const at::Tensor labels = y.index_select(0, rows);
    const auto loss = [&](const at::Tensor& logits) {
      return at::cross_entropy_loss(logits, labels);
    };
    parameter_gradients(*predictor.model, weights, x.index_select(0, rows), loss, gradient);
    sgd_step(weights.parameters, gradient, velocity, 0.05, sgd);
  };
  for (std::int64_t i = 0; i < options.warm; ++i) step(at::arange(options.batch));

  RandomStream order(seed, "order");
  const auto start = std::chrono::steady_clock::now();
  const double cpu_start = cpu_seconds();
  for (std::int64_t epoch = 0; epoch < options.epochs; ++epoch) {
    const at::Tensor rows = at::tensor(order.permutation(options.n));
    for (std::int64_t begin = 0; begin + options.batch <= options.n; begin += options.batch) {
      step(rows.narrow(0, begin, options.batch));
      report.images += options.batch;
    }
  }
  report.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  report.cpu_seconds += cpu_seconds() - cpu_start;
  const at::Tensor logits = predictor.outputs(weights, data.at("test_x"), 500);
  report.accuracy += logits.argmax(1).eq(data.at("test_y")).to(at::kFloat).mean().item<double>() /
                     static_cast<double>(options.runs);
}

Report work(const Options& options, std::int64_t worker) {
  keep_freed_memory();  // as every worker does
  at::set_num_threads(static_cast<int>(options.threads));
  const TensorMap data =
      read_tensors(fmt::format("{}/cifar_{}_2000.safetensors", options.work, options.n));
  Predictor predictor;
  predictor.model = build_model("resnet9", {{3, 32, 32}, 10},
                                {{"channels", {16, 32, 64, 64}}, {"init", "uniform"}});
  predictor.view.mean = {125.307f / 255, 122.961f / 255, 113.8575f / 255};
  predictor.view.deviation = {51.5865f / 255, 50.847f / 255, 51.255f / 255};
  const at::Tensor x =
      predictor.view.apply(data.at("train_x")).contiguous(at::MemoryFormat::ChannelsLast);
  Report report;
  for (std::int64_t run = 0; run < options.runs; ++run) {
    train(options, predictor, x, data.at("train_y"),
          static_cast<std::uint64_t>(worker * options.runs + run), data, report);
  }
  return report;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  std::vector<int> pipes;
  for (std::int64_t worker = 0; worker < options.workers; ++worker) {
    int ends[2];
    if (pipe(ends) != 0) return 1;
    if (fork() == 0) {
      const Report report = work(options, worker);
      _exit(write(ends[1], &report, sizeof report) == sizeof report ? 0 : 1);
    }
    close(ends[1]);
    pipes.push_back(ends[0]);
  }
  double rate = 0, cpu = 0, accuracy = 0;
  std::int64_t images = 0;
  for (const int from : pipes) {
    Report report;
    if (read(from, &report, sizeof report) != sizeof report) return 1;
    rate += static_cast<double>(report.images) / report.seconds;
    cpu += report.cpu_seconds;
    images += report.images;
    accuracy += report.accuracy / static_cast<double>(options.workers);
  }
  while (wait(nullptr) > 0) {
  }
  fmt::print(
      R"({{"task": "train-cnn", "images_per_second": {:.1f}, "images_per_cpu_second": {:.1f}, "workers": {}, )"
      R"("threads": {}, "runs": {}, "test_accuracy": {:.3f}}})"
      "\n",
      rate, static_cast<double>(images) / cpu, options.workers, options.threads,
      options.runs * options.workers, accuracy);
  return 0;
}
