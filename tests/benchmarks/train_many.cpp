// How many small MLPs a second the kernels of mlp_kernels.h train, one model at a time on each
// thread.
//
//   train_many digits --input FILE [--expected FILE] [--threads N] [--repeat N] [--set NAME]
//   train_many p0|p1 [--models N] [...]   the nets of the planted-difference experiments
//   train_many peak                       multiply-adds a second of one core, as the limit
//
// FILE of `digits` is a safetensors file with train_x, train_y, test_x, test_y, order i32 [epochs,
// models, rows] and the initial weights 0.weight, 0.bias, 2.weight, 2.bias [models, ...];
// `--expected` has the trained weights of another program under the same names. Prints one JSON
// line.

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "modeldiff/mlp_kernels.h"
#include "store/safetensors.h"

namespace {

using modeldiff::MlpCrossEntropy;
using modeldiff::MlpInstructionSet;
using modeldiff::MlpSgd;
using modeldiff::MlpShape;
using modeldiff::MlpState;
using modeldiff::MlpTraining;
using modeldiff::SafetensorsFile;
using nlohmann::json;
using std::int64_t;

struct Options {
  std::string task;
  std::string input;
  std::string expected;
  MlpInstructionSet set = modeldiff::mlp_instruction_sets().back();
  int64_t threads = 2;
  int64_t repeat = 5;
  int64_t models = 64;
};

Options parse(int argc, char** argv) {
  Options o;
  if (argc < 2) throw std::invalid_argument("name a task: digits, p0, p1 or peak");
  o.task = argv[1];
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string key = argv[i];
    const std::string value = argv[i + 1];
    if (key == "--input")
      o.input = value;
    else if (key == "--expected")
      o.expected = value;
    else if (key == "--threads")
      o.threads = std::stoll(value);
    else if (key == "--repeat")
      o.repeat = std::stoll(value);
    else if (key == "--models")
      o.models = std::stoll(value);
    else if (key == "--set") {
      for (const MlpInstructionSet set : modeldiff::mlp_instruction_sets())
        if (to_string(set) == value) o.set = set;
    } else
      throw std::invalid_argument("unknown option " + key);
  }
  return o;
}

/// All elements of a tensor of type T.
template <typename T>
std::vector<T> values(const SafetensorsFile& file, const std::string& name) {
  const modeldiff::TensorView& tensor = file.tensor(name);
  std::vector<T> out(tensor.bytes / sizeof(T));
  std::memcpy(out.data(), tensor.data, tensor.bytes);
  return out;
}

/// Many training runs of one shape on one data set.
struct Work {
  MlpShape shape;
  std::vector<float> inputs;
  std::vector<int64_t> labels;
  std::vector<std::vector<float>> initial;       ///< per model
  std::vector<std::vector<int64_t>> batch_rows;  ///< per model
  std::vector<int64_t> batch_offsets;
  std::vector<double> learning_rates;
  MlpSgd optimizer;

  int64_t models() const { return static_cast<int64_t>(initial.size()); }

  /// Multiplications and additions of the products of one run, nothing counted for what need not be
  /// computed.
  double flops() const {
    double weights = 0;
    for (int64_t l = 0; l < shape.layers(); ++l)
      weights += static_cast<double>(shape.widths[l] * shape.widths[l + 1] * (l == 0 ? 2 : 3));
    return 2 * weights * static_cast<double>(batch_offsets.back());
  }
};

std::vector<std::vector<float>> trained(const Work& work, const Options& o) {
  std::vector<std::vector<float>> out(work.initial.size());
  std::atomic<int64_t> next = 0;
  const auto run = [&] {
    std::vector<double> losses(work.learning_rates.size());
    for (int64_t i = next++; i < work.models(); i = next++) {
      const MlpTraining training{.shape = work.shape,
                                 .inputs = work.inputs,
                                 .objective = MlpCrossEntropy{work.labels},
                                 .batch_rows = work.batch_rows[i],
                                 .batch_offsets = work.batch_offsets,
                                 .learning_rates = work.learning_rates,
                                 .optimizer = work.optimizer};
      MlpState state{.parameters = work.initial[i]};
      if (train_mlp(training, state, losses, o.set))
        throw std::runtime_error("a loss is not finite");
      out[i] = std::move(state.parameters);
    }
  };
  std::vector<std::jthread> threads;
  for (int64_t t = 1; t < o.threads; ++t) threads.emplace_back(run);
  run();
  threads.clear();
  return out;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

/// Runs the work `repeat` times. @return what was measured; `out` are the trained parameters
json measure(const Work& work, const Options& o, std::vector<std::vector<float>>& out) {
  std::vector<double> seconds, cpu;
  for (int64_t r = 0; r < o.repeat; ++r) {
    const double cpu_before = cpu_seconds();
    const auto before = std::chrono::steady_clock::now();
    out = trained(work, o);
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count());
    cpu.push_back(cpu_seconds() - cpu_before);
  }
  const double wall = median(seconds);
  const double models = static_cast<double>(work.models());
  return {{"task", o.task},
          {"set", to_string(o.set)},
          {"threads", o.threads},
          {"models", work.models()},
          {"seconds", wall},
          {"cpu_seconds", median(cpu)},
          {"all_seconds", seconds},
          {"throughput", models / wall},
          {"unit", "models/s"},
          {"gflops", models * work.flops() / wall / 1e9},
          {"gflops_per_cpu", models * work.flops() / median(cpu) / 1e9}};
}

double accuracy(const Work& work, const std::vector<std::vector<float>>& parameters,
                const std::vector<float>& inputs, const std::vector<int64_t>& labels) {
  const int64_t classes = work.shape.outputs();
  int64_t right = 0;
  std::vector<float> z(labels.size() * static_cast<std::size_t>(classes));
  for (const auto& p : parameters) {
    mlp_forward(work.shape, p, inputs, z);
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const float* row = z.data() + static_cast<int64_t>(i) * classes;
      right += std::max_element(row, row + classes) - row == labels[i];
    }
  }
  return static_cast<double>(right) / static_cast<double>(labels.size() * parameters.size());
}

const std::vector<std::string> kNames = {"0.weight", "0.bias", "2.weight", "2.bias"};

/// The stacked tensors of `kNames` as one flat vector a model.
std::vector<std::vector<float>> flat_models(const SafetensorsFile& file) {
  const int64_t models = file.tensor(kNames[0]).shape[0];
  std::vector<std::vector<float>> out(static_cast<std::size_t>(models));
  for (const std::string& name : kNames) {
    const std::vector<float> all = values<float>(file, name);
    const int64_t size = static_cast<int64_t>(all.size()) / models;
    for (int64_t i = 0; i < models; ++i)
      out[i].insert(out[i].end(), all.begin() + i * size, all.begin() + (i + 1) * size);
  }
  return out;
}

json digits(const Options& o) {
  constexpr int64_t kBatch = 64;
  const SafetensorsFile file(o.input);
  const auto order_shape = file.tensor("order").shape;
  const auto order = values<std::int32_t>(file, "order");
  const int64_t epochs = order_shape[0], models = order_shape[1], rows = order_shape[2];
  const int64_t steps = rows / kBatch;  // the last, short batch is dropped

  Work work;
  work.shape.widths = {file.tensor("0.weight").shape[2], file.tensor("0.weight").shape[1],
                       file.tensor("2.weight").shape[1]};
  work.inputs = values<float>(file, "train_x");
  work.labels = values<int64_t>(file, "train_y");
  work.initial = flat_models(file);
  work.optimizer = {.momentum = 0.9};
  work.learning_rates.assign(static_cast<std::size_t>(epochs * steps), 0.05);
  for (int64_t s = 0; s <= epochs * steps; ++s) work.batch_offsets.push_back(s * kBatch);
  work.batch_rows.resize(static_cast<std::size_t>(models));
  for (int64_t e = 0; e < epochs; ++e)
    for (int64_t m = 0; m < models; ++m) {
      const auto from = order.begin() + (e * models + m) * rows;
      work.batch_rows[m].insert(work.batch_rows[m].end(), from, from + steps * kBatch);
    }

  std::vector<std::vector<float>> out;
  json result = measure(work, o, out);
  result["test_accuracy"] =
      accuracy(work, out, values<float>(file, "test_x"), values<int64_t>(file, "test_y"));
  if (!o.expected.empty()) {
    const auto expected = flat_models(SafetensorsFile(o.expected));
    double largest = 0, largest_weight = 0;
    for (std::size_t m = 0; m < out.size(); ++m)
      for (std::size_t i = 0; i < out[m].size(); ++i) {
        largest = std::max(largest, std::abs(static_cast<double>(out[m][i]) -
                                             static_cast<double>(expected[m][i])));
        largest_weight = std::max(largest_weight, std::abs(static_cast<double>(expected[m][i])));
      }
    result["largest_difference"] = largest;
    result["largest_weight"] = largest_weight;
  }
  return result;
}

/// `examples` drawn images of ten classes, each class around its own mean; 20 epochs of batches
/// of 50.
json planted(const Options& o, int64_t inputs, int64_t examples) {
  constexpr int64_t kBatch = 50, kEpochs = 20, kClasses = 10, kHidden = 64;
  std::mt19937_64 random(0);
  std::normal_distribution<float> normal;
  Work work;
  work.shape.widths = {inputs, kHidden, kClasses};
  std::vector<float> means(static_cast<std::size_t>(kClasses * inputs));
  for (float& m : means) m = 0.3f * normal(random);
  for (int64_t i = 0; i < examples; ++i) {
    work.labels.push_back(i % kClasses);
    for (int64_t k = 0; k < inputs; ++k)
      work.inputs.push_back(means[(i % kClasses) * inputs + k] + 0.3f * normal(random));
  }
  const int64_t steps = kEpochs * examples / kBatch;
  for (int64_t s = 0; s <= steps; ++s) work.batch_offsets.push_back(s * kBatch);
  for (int64_t s = 0; s < steps; ++s) {  // a triangle with its peak at 20 %
    const double done = static_cast<double>(s) / static_cast<double>(steps);
    work.learning_rates.push_back(0.1 * (done < 0.2 ? done / 0.2 : (1 - done) / 0.8));
  }
  work.optimizer = {.momentum = 0.9, .weight_decay = 5e-4};
  for (int64_t m = 0; m < o.models; ++m) {
    std::vector<float> parameters;
    for (int64_t l = 0; l < work.shape.layers(); ++l) {
      const int64_t in = work.shape.widths[l], out = work.shape.widths[l + 1];
      const float scale = std::sqrt((l == 0 ? 2.0f : 1.0f) / static_cast<float>(in));
      for (int64_t i = 0; i < in * out; ++i) parameters.push_back(scale * normal(random));
      parameters.insert(parameters.end(), static_cast<std::size_t>(out), 0.0f);
    }
    work.initial.push_back(std::move(parameters));
    std::vector<int64_t> rows(static_cast<std::size_t>(examples)), order;
    for (int64_t i = 0; i < examples; ++i) rows[i] = i;
    for (int64_t e = 0; e < kEpochs; ++e) {
      std::shuffle(rows.begin(), rows.end(), random);
      order.insert(order.end(), rows.begin(), rows.end());
    }
    work.batch_rows.push_back(std::move(order));
  }
  std::vector<std::vector<float>> out;
  json result = measure(work, o, out);
  result["train_accuracy"] = accuracy(work, out, work.inputs, work.labels);
  return result;
}

#if defined(__x86_64__)
/// Independent chains of multiply-adds in registers: what one core can do at most with AVX2.
[[gnu::target("avx2,fma")]] double peak_seconds(int64_t rounds) {
  typedef float Vec __attribute__((vector_size(32)));
  Vec sum[12] = {};
  const Vec a = Vec{} + 0.999f, b = Vec{} + 0.001f;
  const auto before = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (Vec& s : sum) asm volatile("vfmadd213ps %2, %1, %0" : "+x"(s) : "x"(a), "x"(b));
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
}

json peak(const Options& o) {
  constexpr int64_t kRounds = 20'000'000;
  std::vector<double> seconds;
  for (int64_t r = 0; r < o.repeat; ++r) seconds.push_back(peak_seconds(kRounds));
  return {
      {"task", "peak"}, {"set", "avx2"}, {"gflops", 12.0 * 16 * kRounds / median(seconds) / 1e9}};
}
#else
json peak(const Options&) { throw std::runtime_error("peak is written for x86-64 only"); }
#endif

json run(const Options& o) {
  if (o.task == "digits") return digits(o);
  if (o.task == "p0") return planted(o, 64, 1200);
  if (o.task == "p1") return planted(o, 784, 1000);
  if (o.task == "peak") return peak(o);
  throw std::invalid_argument("unknown task " + o.task);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::cout << run(parse(argc, argv)) << '\n';
  } catch (const std::exception& e) {
    std::cerr << "train_many: " << e.what() << '\n';
    return 1;
  }
}
