#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "modeldiff/core/api.h"

/// All randomness of the framework. A stream is a pure function of (seed, role, index), so that
/// nothing depends on the order, the batch or the worker in which numbers are drawn.
namespace modeldiff {

/// Philox4x32-10 (Salmon et al. 2011): 128 random bits of a 64-bit key and a 128-bit counter.
MODELDIFF_API std::array<std::uint32_t, 4> philox(std::uint64_t key, std::uint64_t counter_low,
                                                  std::uint64_t counter_high);

/// The seed of a role and index within an experiment: the first 8 bytes of SHA-256 of
/// "seed/role/index".
MODELDIFF_API std::uint64_t derive_seed(std::uint64_t seed, std::string_view role,
                                        std::uint64_t index = 0);

/// A stream of numbers. Satisfies UniformRandomBitGenerator; never use it with std distributions,
/// whose output differs between standard libraries.
class MODELDIFF_API RandomStream {
 public:
  using result_type = std::uint32_t;
  explicit RandomStream(std::uint64_t seed, std::uint64_t substream = 0)
      : key_(seed), high_(substream) {}
  RandomStream(std::uint64_t seed, std::string_view role, std::uint64_t index = 0)
      : RandomStream(derive_seed(seed, role, index)) {}

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return 0xffffffffu; }
  result_type operator()();

  /// Uniform in [0, 1), 24 bits.
  float uniform();
  /// Uniform in [0, 1), 53 bits.
  double uniform_double();
  /// Uniform integer in [0, bound), unbiased. bound >= 1
  std::uint64_t below(std::uint64_t bound);
  /// Standard normal (Box-Muller).
  double normal();
  void fill_normal(float* out, std::int64_t count, float scale);
  void fill_uniform(float* out, std::int64_t count, float low, float high);

  /// A uniform random order of 0..n-1 (Fisher-Yates).
  std::vector<std::int64_t> permutation(std::int64_t n);
  /// `count` distinct numbers of 0..n-1, ascending.
  std::vector<std::int64_t> choose(std::int64_t n, std::int64_t count);

 private:
  std::uint64_t key_;
  std::uint64_t high_;
  std::uint64_t low_ = 0;
  std::array<std::uint32_t, 4> block_{};
  int used_ = 4;
  bool has_spare_ = false;
  double spare_ = 0;
};

}  // namespace modeldiff
