#include "engine/doctor.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <dlfcn.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>

namespace modeldiff {
namespace {

// A processor without instructions for bfloat16 needs 0.1 s for a product of this size.
constexpr std::int64_t kSize = 256;
constexpr int kRepeats = 5;

/// Billions of operations a second: the best of some tries, after one that is not counted.
double matmul_gflops(at::ScalarType type) {
  const at::Tensor a = at::ones({kSize, kSize}, at::kFloat).to(type);
  double best = 1e30;
  for (int i = 0; i <= kRepeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    at::mm(a, a);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (i > 0) best = std::min(best, seconds);
  }
  return 2e-9 * static_cast<double>(kSize * kSize * kSize) / best;
}

}  // namespace

Json torch_facts() {
  Dl_info library{};
  ::dladdr(reinterpret_cast<const void*>(&at::get_cpu_capability), &library);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  return {{"torch", TORCH_VERSION},
          {"library", library.dli_fname ? library.dli_fname : ""},
          {"threads", threads},
          {"capability", at::get_cpu_capability()},
          {"gflops",
           {{"float32", matmul_gflops(at::kFloat)}, {"bfloat16", matmul_gflops(at::kBFloat16)}}}};
}

}  // namespace modeldiff
