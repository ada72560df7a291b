#include "modeldiff/core/random.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <unordered_set>

#include "modeldiff/core/error.h"
#include "modeldiff/core/hash.h"

namespace modeldiff {

std::array<std::uint32_t, 4> philox(std::uint64_t key, std::uint64_t counter_low,
                                    std::uint64_t counter_high) {
  constexpr std::uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  std::uint32_t k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  std::array<std::uint32_t, 4> c{
      static_cast<std::uint32_t>(counter_low), static_cast<std::uint32_t>(counter_low >> 32),
      static_cast<std::uint32_t>(counter_high), static_cast<std::uint32_t>(counter_high >> 32)};
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{kMultiplier0} * c[0];
    const std::uint64_t p1 = std::uint64_t{kMultiplier1} * c[2];
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<std::uint32_t>(p0)};
    k0 += kWeyl0;
    k1 += kWeyl1;
  }
  return c;
}

std::uint64_t derive_seed(std::uint64_t seed, std::string_view role, std::uint64_t index) {
  return std::stoull(sha256(fmt::format("{}/{}/{}", seed, role, index)).substr(0, 16), nullptr, 16);
}

RandomStream::result_type RandomStream::operator()() {
  if (used_ == 4) {
    block_ = philox(key_, low_++, high_);
    used_ = 0;
  }
  return block_[used_++];
}

float RandomStream::uniform() { return static_cast<float>((*this)() >> 8) * 0x1p-24f; }

double RandomStream::uniform_double() {
  const std::uint64_t high = (*this)() >> 5, low = (*this)() >> 6;
  return static_cast<double>((high << 26) | low) * 0x1p-53;
}

std::uint64_t RandomStream::below(std::uint64_t bound) {
  MODELDIFF_CHECK(bound > 0, "an empty range");
  const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  for (;;) {
    const std::uint64_t high = (*this)(), low = (*this)();
    if (const std::uint64_t draw = (high << 32) | low; draw < limit) return draw % bound;
  }
}

double RandomStream::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  const double radius = std::sqrt(-2.0 * std::log1p(-uniform_double()));
  const double angle = 2.0 * std::numbers::pi * uniform_double();
  spare_ = radius * std::sin(angle);
  has_spare_ = true;
  return radius * std::cos(angle);
}

void RandomStream::fill_normal(float* out, std::int64_t count, float scale) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(normal()) * scale;
}

void RandomStream::fill_uniform(float* out, std::int64_t count, float low, float high) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = low + (high - low) * uniform();
}

std::vector<std::int64_t> RandomStream::permutation(std::int64_t n) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (std::int64_t i = n - 1; i > 0; --i) {
    std::swap(order[static_cast<std::size_t>(i)], order[below(static_cast<std::uint64_t>(i) + 1)]);
  }
  return order;
}

std::vector<std::int64_t> RandomStream::choose(std::int64_t n, std::int64_t count) {
  MODELDIFF_CHECK(count >= 0 && count <= n, fmt::format("{} of {}", count, n));
  // Floyd's method: one draw for each chosen number.
  std::unordered_set<std::int64_t> chosen;
  for (std::int64_t top = n - count; top < n; ++top) {
    const auto draw = static_cast<std::int64_t>(below(static_cast<std::uint64_t>(top) + 1));
    chosen.insert(chosen.contains(draw) ? top : draw);
  }
  std::vector<std::int64_t> out(chosen.begin(), chosen.end());
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace modeldiff
