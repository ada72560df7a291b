#include "sparse_product.h"

#include <cstring>

#include "projection.h"

namespace modeldiff::trak {
namespace {

#define MODELDIFF_INLINE inline __attribute__((always_inline))

// Vectors of 4, 8 and 16 floats; a tile's row is 4, 2 or 1 of them.
template <int kBytes>
struct Lanes {
  typedef float Floats __attribute__((vector_size(kBytes), aligned(4), may_alias));
  typedef std::uint32_t Bits __attribute__((vector_size(kBytes), aligned(4), may_alias));
  static constexpr int kCount = kBytes / 4;
  static constexpr int kParts = static_cast<int>(kTileColumns) / kCount;
};

template <typename L>
MODELDIFF_INLINE void unpack_signs_loop(const std::uint32_t* words, std::int64_t rows,
                                        std::int64_t word_stride, std::int64_t half, float* out,
                                        std::int64_t stride) {
  using Bits = typename L::Bits;
  constexpr std::uint32_t kOne = 0x3f800000;  // 1.0f
  Bits places[L::kParts];
  for (int part = 0; part < L::kParts; ++part) {
    for (int lane = 0; lane < L::kCount; ++lane) {
      places[part][lane] = static_cast<std::uint32_t>(16 * half + part * L::kCount + lane);
    }
  }
  for (std::int64_t r = 0; r < rows; ++r) {
    const Bits word = Bits{} + words[r * word_stride];
    for (int part = 0; part < L::kParts; ++part) {
      const Bits entry = (~(word >> places[part]) << 31) | kOne;
      *reinterpret_cast<Bits*>(out + r * stride + part * L::kCount) = entry;
    }
  }
}

/// One row: kChains entries at a time, each with sums of its own, so that additions do not wait for
/// each other.
template <typename L, int kChains>
MODELDIFF_INLINE void add_scaled_product(const std::int32_t* places, const float* values,
                                         std::int64_t count, const float* tile, float factor,
                                         float* out) {
  using Floats = typename L::Floats;
  Floats sums[kChains][L::kParts] = {};
  std::int64_t e = 0;
  for (; e + kChains <= count; e += kChains) {
    for (int chain = 0; chain < kChains; ++chain) {
      const Floats* row = reinterpret_cast<const Floats*>(tile + places[e + chain]);
      for (int part = 0; part < L::kParts; ++part)
        sums[chain][part] += values[e + chain] * row[part];
    }
  }
  for (; e < count; ++e) {
    const Floats* row = reinterpret_cast<const Floats*>(tile + places[e]);
    for (int part = 0; part < L::kParts; ++part) sums[0][part] += values[e] * row[part];
  }
  Floats* result = reinterpret_cast<Floats*>(out);
  for (int part = 0; part < L::kParts; ++part) {
    Floats sum = sums[0][part];
    for (int chain = 1; chain < kChains; ++chain) sum += sums[chain][part];
    result[part] += factor * sum;
  }
}

template <typename L, int kChains>
MODELDIFF_INLINE void add_scaled_products_loop(const SparseRows& x,
                                               std::span<const std::int32_t> rows,
                                               std::span<const float> factors, const float* tile,
                                               float* out) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::int64_t r = rows[i];
    const std::span<const std::int32_t> places = x.places(r);
    add_scaled_product<L, kChains>(places.data(), x.values(r).data(),
                                   static_cast<std::int64_t>(places.size()), tile, factors[i],
                                   out + r * kTileColumns);
  }
}

/// kRows rows of g together, so that each row of the tile is read once for all of them.
template <typename L, int kRows>
MODELDIFF_INLINE void add_products_of_rows(const float* g, std::int64_t stride,
                                           std::int64_t columns, const float* tile, float* out) {
  using Floats = typename L::Floats;
  Floats sums[kRows][L::kParts] = {};
  for (std::int64_t c = 0; c < columns; ++c) {
    const Floats* entries = reinterpret_cast<const Floats*>(tile + c * kTileColumns);
    for (int r = 0; r < kRows; ++r) {
      for (int part = 0; part < L::kParts; ++part)
        sums[r][part] += g[r * stride + c] * entries[part];
    }
  }
  for (int r = 0; r < kRows; ++r) {
    Floats* result = reinterpret_cast<Floats*>(out + r * kTileColumns);
    for (int part = 0; part < L::kParts; ++part) result[part] += sums[r][part];
  }
}

template <typename L, int kRows>
MODELDIFF_INLINE void add_products_loop(const float* g, std::int64_t rows, std::int64_t stride,
                                        std::int64_t columns, const float* tile, float* out) {
  std::int64_t r = 0;
  for (; r + kRows <= rows; r += kRows)
    add_products_of_rows<L, kRows>(g + r * stride, stride, columns, tile, out + r * kTileColumns);
  for (; r < rows; ++r)
    add_products_of_rows<L, 1>(g + r * stride, stride, columns, tile, out + r * kTileColumns);
}

struct Loops {
  void (*unpack_signs)(const std::uint32_t*, std::int64_t, std::int64_t, std::int64_t, float*,
                       std::int64_t);
  void (*add_scaled_products)(const SparseRows&, std::span<const std::int32_t>,
                              std::span<const float>, const float*, float*);
  void (*add_products)(const float*, std::int64_t, std::int64_t, std::int64_t, const float*,
                       float*);
};

// The same loops, compiled for each instruction set.
#define MODELDIFF_LOOPS(name, target, lanes, chains, rows_together)                         \
  struct name {                                                                             \
    target static void unpack(const std::uint32_t* words, std::int64_t rows,                \
                              std::int64_t word_stride, std::int64_t half, float* out,      \
                              std::int64_t stride) {                                        \
      unpack_signs_loop<lanes>(words, rows, word_stride, half, out, stride);                \
    }                                                                                       \
    target static void add(const SparseRows& x, std::span<const std::int32_t> rows,         \
                           std::span<const float> factors, const float* tile, float* out) { \
      add_scaled_products_loop<lanes, chains>(x, rows, factors, tile, out);                 \
    }                                                                                       \
    target static void products(const float* g, std::int64_t rows, std::int64_t stride,     \
                                std::int64_t columns, const float* tile, float* out) {      \
      add_products_loop<lanes, rows_together>(g, rows, stride, columns, tile, out);         \
    }                                                                                       \
    static constexpr Loops loops() { return {unpack, add, products}; }                      \
  };

MODELDIFF_LOOPS(Baseline, , Lanes<16>, 2, 2)
#if defined(__x86_64__)
MODELDIFF_LOOPS(Avx2, __attribute__((target("avx2,fma"))), Lanes<32>, 4, 6)
MODELDIFF_LOOPS(Avx512, __attribute__((target("avx512f,avx512vl,avx512dq,fma"))), Lanes<64>, 8, 12)
#endif

const Loops& best() {
  static const Loops chosen = [] {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq")) {
      return Avx512::loops();
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Avx2::loops();
#endif
    return Baseline::loops();
  }();
  return chosen;
}

}  // namespace

void unpack_signs(const std::uint32_t* words, std::int64_t rows, std::int64_t word_stride,
                  std::int64_t half, float* out, std::int64_t stride) {
  best().unpack_signs(words, rows, word_stride, half, out, stride);
}

SparseRows::SparseRows(const float* rows, std::int64_t count, std::int64_t columns, bool append) {
  starts_.reserve(count + 1);
  starts_.push_back(0);
  for (std::int64_t r = 0; r < count; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      const float value = rows[r * columns + c];
      if (value == 0) continue;
      places_.push_back(static_cast<std::int32_t>(c * kTileColumns));
      values_.push_back(value);
    }
    if (append) {
      places_.push_back(static_cast<std::int32_t>(columns * kTileColumns));
      values_.push_back(1);
    }
    starts_.push_back(static_cast<std::int64_t>(places_.size()));
  }
}

SparseColumns::SparseColumns(const float* rows, std::int64_t count, std::int64_t columns)
    : starts_(columns + 1, 0) {
  for (std::int64_t i = 0; i < count * columns; ++i) starts_[i % columns + 1] += rows[i] != 0;
  for (std::int64_t c = 0; c < columns; ++c) starts_[c + 1] += starts_[c];
  rows_.resize(starts_[columns]);
  values_.resize(starts_[columns]);
  std::vector<std::int64_t> next(starts_.begin(), starts_.end() - 1);
  for (std::int64_t r = 0; r < count; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      const float value = rows[r * columns + c];
      if (value == 0) continue;
      rows_[next[c]] = static_cast<std::int32_t>(r);
      values_[next[c]++] = value;
    }
  }
}

void add_products(const float* g, std::int64_t rows, std::int64_t stride, std::int64_t columns,
                  const float* tile, float* out) {
  best().add_products(g, rows, stride, columns, tile, out);
}

void add_scaled_products(const SparseRows& x, std::span<const std::int32_t> rows,
                         std::span<const float> factors, const float* tile, float* out) {
  best().add_scaled_products(x, rows, factors, tile, out);
}

}  // namespace modeldiff::trak
