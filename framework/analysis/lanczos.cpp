#include "analysis/lanczos.h"

#include <algorithm>
#include <cmath>

namespace modeldiff {
namespace {

constexpr std::int64_t kMaxSteps = 120;
constexpr std::int64_t kFirstCheck = 12;
constexpr std::int64_t kCheckEvery = 4;
/// Change of the value between checks that ends the iteration, relative. It falls by a factor each
/// step, so the error that is left is of the same order.
constexpr double kTolerance = 5e-8;
/// A new basis vector shorter than this, relative to the matrix, is rounding: the space is
/// exhausted.
constexpr double kExhausted = 1e-6;

// The loops are compiled twice, for any x86-64 and for AVX2 with fused multiply-add, and chosen
// when first used. Each is always inlined into a function with its own target.
#define MODELDIFF_INLINE inline __attribute__((always_inline))

constexpr std::int64_t kLanes = 32;

MODELDIFF_INLINE float dot_loop(const float* a, const float* b, std::int64_t n) {
  float lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += a[i + lane] * b[i + lane];
  }
  float rest = 0;
  for (; i < n; ++i) rest += a[i] * b[i];
  for (std::int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::int64_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0] + rest;
}

MODELDIFF_INLINE void add_loop(float factor, const float* x, float* out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] += factor * x[i];
}

/// w = R'(R v), a row at a time: it is still in the first cache when it is needed again.
MODELDIFF_INLINE void gram_product_loop(const float* rows, std::int64_t count, std::int64_t n,
                                        const float* v, float* w) {
  std::fill_n(w, n, 0.0f);
  for (std::int64_t q = 0; q < count; ++q) {
    const float* row = rows + q * n;
    add_loop(dot_loop(row, v, n), row, w, n);
  }
}

/// Four rows at a time, so that `out` is read and written a quarter as often.
MODELDIFF_INLINE void combine_loop(const float* c, std::int64_t count, const float* rows,
                                   std::int64_t n, float* out) {
  std::fill_n(out, n, 0.0f);
  std::int64_t r = 0;
  for (; r + 4 <= count; r += 4) {
    const float* x = rows + r * n;
    const float c0 = c[r], c1 = c[r + 1], c2 = c[r + 2], c3 = c[r + 3];
    for (std::int64_t i = 0; i < n; ++i) {
      out[i] += c0 * x[i] + c1 * x[i + n] + c2 * x[i + 2 * n] + c3 * x[i + 3 * n];
    }
  }
  for (; r < count; ++r) add_loop(c[r], rows + r * n, out, n);
}

struct Loops {
  float (*dot)(const float*, const float*, std::int64_t);
  void (*add)(float, const float*, float*, std::int64_t);
  void (*gram_product)(const float*, std::int64_t, std::int64_t, const float*, float*);
  void (*combine)(const float*, std::int64_t, const float*, std::int64_t, float*);
};

#define MODELDIFF_LOOPS(name, target)                                                      \
  struct name {                                                                            \
    target static float dot(const float* a, const float* b, std::int64_t n) {              \
      return dot_loop(a, b, n);                                                            \
    }                                                                                      \
    target static void add(float f, const float* x, float* out, std::int64_t n) {          \
      add_loop(f, x, out, n);                                                              \
    }                                                                                      \
    target static void gram_product(const float* rows, std::int64_t count, std::int64_t n, \
                                    const float* v, float* w) {                            \
      gram_product_loop(rows, count, n, v, w);                                             \
    }                                                                                      \
    target static void combine(const float* c, std::int64_t count, const float* rows,      \
                               std::int64_t n, float* out) {                               \
      combine_loop(c, count, rows, n, out);                                                \
    }                                                                                      \
  };

MODELDIFF_LOOPS(BaselineLoops, )
#if defined(__x86_64__)
MODELDIFF_LOOPS(Avx2Loops, __attribute__((target("avx2,fma"))))
#endif

template <typename L>
constexpr Loops loops_of() {
  return {L::dot, L::add, L::gram_product, L::combine};
}

const Loops& loops() {
  static const Loops chosen = [] {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
      return loops_of<Avx2Loops>();
#endif
    return loops_of<BaselineLoops>();
  }();
  return chosen;
}

/// Number of eigenvalues of the symmetric tridiagonal matrix that are above x (Sturm).
std::int64_t eigenvalues_above(const std::vector<double>& diagonal, const std::vector<double>& off,
                               double x) {
  std::int64_t above = 0;
  double pivot = 1;
  for (std::size_t i = 0; i < diagonal.size(); ++i) {
    const double coupling = i == 0 ? 0 : off[i - 1] * off[i - 1];
    pivot = diagonal[i] - x - coupling / pivot;
    if (pivot == 0) pivot = -1e-300;
    above += pivot > 0;
  }
  return above;
}

double largest_eigenvalue(const std::vector<double>& diagonal, const std::vector<double>& off) {
  double low = *std::max_element(diagonal.begin(), diagonal.end());
  double high = low;
  for (std::size_t i = 0; i < diagonal.size(); ++i) {
    const double left = i == 0 ? 0 : off[i - 1];
    const double right = i + 1 == diagonal.size() ? 0 : off[i];
    high = std::max(high, diagonal[i] + left + right);
  }
  while (high - low > 1e-13 * high) {
    const double middle = 0.5 * (low + high);
    if (middle <= low || middle >= high) break;
    (eigenvalues_above(diagonal, off, middle) > 0 ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace

void combine_rows(std::span<const float> coefficients, const float* rows, std::int64_t n,
                  float* out) {
  loops().combine(coefficients.data(), static_cast<std::int64_t>(coefficients.size()), rows, n,
                  out);
}

void subtract_column_means(float* rows, std::int64_t count, std::int64_t n) {
  std::vector<double> sums(n, 0.0);
  for (std::int64_t q = 0; q < count; ++q) {
    for (std::int64_t i = 0; i < n; ++i) sums[i] += rows[q * n + i];
  }
  std::vector<float> means(n);
  for (std::int64_t i = 0; i < n; ++i)
    means[i] = static_cast<float>(sums[i] / static_cast<double>(count));
  for (std::int64_t q = 0; q < count; ++q) loops().add(-1.0f, means.data(), rows + q * n, n);
}

void take_out_direction(float* rows, std::int64_t count, std::int64_t n, const float* v) {
  for (std::int64_t q = 0; q < count; ++q) {
    float* row = rows + q * n;
    loops().add(-loops().dot(row, v, n), v, row, n);
  }
}

LanczosSolver::LanczosSolver(std::int64_t columns)
    : columns_(columns), basis_(static_cast<std::size_t>((kMaxSteps + 1) * columns)) {}

double LanczosSolver::largest_singular_value(const float* rows, std::int64_t count) {
  const Loops& with = loops();
  const std::int64_t n = columns_;
  // The first vector is a sum of rows with fixed, unrelated factors: in the row space, and aligned
  // with no direction.
  float* first = basis_.data();
  std::fill_n(first, n, 0.0f);
  for (std::int64_t q = 0; q < count; ++q) {
    with.add(std::sin(static_cast<float>(1.7 * static_cast<double>(q % 4099) + 0.3)), rows + q * n,
             first, n);
  }
  const float length = std::sqrt(with.dot(first, first, n));
  if (!(length > 0)) return 0;
  for (std::int64_t i = 0; i < n; ++i) first[i] /= length;

  diagonal_.clear();
  off_diagonal_.clear();
  double value = 0;
  for (std::int64_t step = 0; step < kMaxSteps; ++step) {
    const float* v = basis_.data() + step * n;
    float* w = basis_.data() + (step + 1) * n;
    with.gram_product(rows, count, n, v, w);
    diagonal_.push_back(with.dot(w, v, n));
    // Against all, and twice: rounding would bring found directions back, and values above the
    // largest with them.
    for (int pass = 0; pass < 2; ++pass) {
      for (std::int64_t j = 0; j <= step; ++j) {
        const float* u = basis_.data() + j * n;
        with.add(-with.dot(w, u, n), u, w, n);
      }
    }
    const float next = std::sqrt(with.dot(w, w, n));
    const bool exhausted =
        next <= kExhausted * *std::max_element(diagonal_.begin(), diagonal_.end());
    if (exhausted || (step + 1 >= kFirstCheck && (step + 1) % kCheckEvery == 0)) {
      const double now = largest_eigenvalue(diagonal_, off_diagonal_);
      const bool settled = now - value <= kTolerance * now;
      value = now;
      if (exhausted || settled) break;
    }
    off_diagonal_.push_back(next);
    for (std::int64_t i = 0; i < n; ++i) w[i] /= next;
  }
  return std::sqrt(std::max(value, 0.0));
}

}  // namespace modeldiff
