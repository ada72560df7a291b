#include "lasso_design.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <new>
#include <numeric>
#include <thread>

namespace modeldiff::lasso_solver {

const Kernels* find_kernels(std::string_view name) {
  const auto wanted = [&](const Kernels& kernels) { return name.empty() || name == kernels.name; };
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl");
  if (avx512 && wanted(kAvx512Kernels)) return &kAvx512Kernels;
  if (avx2 && wanted(kAvx2Kernels)) return &kAvx2Kernels;
#endif
  return wanted(kBaselineKernels) ? &kBaselineKernels : nullptr;
}

void for_each(std::int64_t count, int threads, const std::function<void(std::int64_t, int)>& task) {
  std::atomic<std::int64_t> next{0};
  std::exception_ptr failure;
  std::mutex failing;
  const auto work = [&](int worker) {
    try {
      for (std::int64_t i; (i = next.fetch_add(1)) < count;) task(i, worker);
    } catch (...) {
      const std::lock_guard lock(failing);
      if (!failure) failure = std::current_exception();
      next = count;
    }
  };
  {
    std::vector<std::jthread> others;
    for (int worker = 1; worker < std::min<std::int64_t>(threads, count); ++worker)
      others.emplace_back(work, worker);
    work(0);
  }
  if (failure) std::rethrow_exception(failure);
}

MaskBits::MaskBits(std::int64_t columns)
    : columns_(columns),
      stride_(columns + kWidestStrip) {}  // a strip may reach past the last column

void MaskBits::add(const std::uint8_t* mask) {
  const std::int64_t group = runs_ / 8, bit = runs_ % 8;
  if (group == groups()) bytes_.resize(bytes_.size() + kGroupBlock * stride_);
  std::uint8_t* bytes = bytes_.data() + group * stride_;
  for (std::int64_t i = 0; i < columns_; ++i) bytes[i] |= static_cast<std::uint8_t>(mask[i] << bit);
  ++runs_;
}

void MaskBits::clear() {
  runs_ = 0;
  bytes_.clear();
}

// Pages of zeros that are given out when they are first written: the allocation costs nothing.
PairCounts::PairCounts(std::int64_t columns)
    : columns_(columns),
      stride_(padded(columns)),
      entries_(static_cast<std::int32_t*>(std::calloc(columns * stride_, sizeof(std::int32_t)))) {
  if (!entries_) throw std::bad_alloc();
}

void PairCounts::Free::operator()(std::int32_t* entries) const { std::free(entries); }

void PairCounts::add(const MaskBits& bits, const Kernels& kernels, int threads) {
  const std::int64_t n = columns_, strip = kernels.strip;
  std::vector<std::vector<std::uint8_t>> scratch(threads);
  for_each((n + strip - 1) / strip, threads, [&](std::int64_t s, int worker) {
    scratch[worker].resize((kGroupBlock * 256 + 3 * n) * strip);
    kernels.count_strip(bits.bytes(), bits.groups(), bits.stride(), s * strip, n,
                        scratch[worker].data(), entries_.get(), stride_);
  });
}

void PairCounts::mirror(int threads) {
  // In tiles whose rows and columns stay in cache.
  constexpr std::int64_t kTile = 64;
  const std::int64_t n = columns_;
  for_each((n + kTile - 1) / kTile, threads, [&](std::int64_t tile, int) {
    const std::int64_t begin = tile * kTile, end = std::min(n, begin + kTile);
    for (std::int64_t across = begin; across < n; across += kTile)
      for (std::int64_t i = begin; i < end; ++i)
        for (std::int64_t j = std::max(i + 1, across); j < std::min(n, across + kTile); ++j)
          entries_[i * stride_ + j] = entries_[j * stride_ + i];
  });
}

Design::Design(const PairCounts& counts, const std::vector<const Presence*>& strata,
               bool standardise, const Kernels& kernels, int threads)
    : counts_(&counts), kernels_(&kernels), threads_(threads) {
  // A smaller variance is the rounding of a constant: one run with a column, or without it, has (m
  // - 1)/m^2.
  constexpr double kNoVariance = 1e-9;
  for (const Presence* stratum : strata) runs_ += stratum->runs;
  const double m = static_cast<double>(runs_);
  for (const Presence* stratum : strata) {
    const double runs = static_cast<double>(stratum->runs);
    share_.push_back(runs / m);
    present_.insert(present_.end(), stratum->present.begin(), stratum->present.end());
    for (const double present : stratum->present) means_.push_back(present / runs);
  }
  for (auto* v : {&per_scale_, &diagonal_, &inverse_}) v->resize(columns());
  for (std::int64_t i = 0; i < columns(); ++i) {
    double sum = counts.row(i)[i];
    for (const Presence* stratum : strata)
      sum -= stratum->present[i] / static_cast<double>(stratum->runs) * stratum->present[i];
    const double variance = sum / m;
    if (variance <= kNoVariance) continue;
    per_scale_[i] = standardise ? 1 / std::sqrt(variance) : 1;
    diagonal_[i] = standardise ? 1 : variance;
    inverse_[i] = 1 / diagonal_[i];
  }
}

void Design::gram_row(std::int64_t i, const std::int64_t* columns, std::int64_t count,
                      float* row) const {
  const std::int32_t* together = counts_->row(i);
  const double scale = per_scale_[i] / static_cast<double>(runs_);
  std::vector<double> sums(count);
  for (std::int64_t k = 0; k < count; ++k) sums[k] = together[columns[k]];
  for (std::int64_t s = 0; s < strata(); ++s) {
    const double mean = column_mean(s, i);
    const double* present = present_.data() + s * this->columns();
    for (std::int64_t k = 0; k < count; ++k) sums[k] -= mean * present[columns[k]];
  }
  for (std::int64_t k = 0; k < count; ++k)
    row[k] = static_cast<float>(sums[k] * scale * per_scale_[columns[k]]);
}

const float* Design::whole_gram() const {
  std::call_once(whole_, [&] {
    const std::int64_t n = columns();
    std::vector<std::int64_t> all(n);
    std::iota(all.begin(), all.end(), 0);
    gram_ = std::make_unique_for_overwrite<float[]>(n * stride());
    for_each(n, threads_, [&](std::int64_t i, int) {
      float* row = gram_.get() + i * stride();
      gram_row(i, all.data(), n, row);
      std::fill(row + n, row + stride(), 0.0f);
    });
  });
  return gram_.get();
}

double Design::cross(const Target& target, std::int64_t i) const {
  double sum = target.sums[i * kQueryBlock];
  for (std::int64_t s = 0; s < strata(); ++s)
    sum -= present_[s * columns() + i] * target.offsets[s];
  return sum;
}

void Design::multiply(const std::vector<std::int64_t>& support, const std::vector<double>& weights,
                      double* product) const {
  const std::int64_t count = static_cast<std::int64_t>(support.size()), n = columns();
  std::vector<double> theta(support.size()), kept(share_.size());
  std::vector<const std::int32_t*> rows(support.size());
  for (std::int64_t k = 0; k < count; ++k) {
    rows[k] = counts_->row(support[k]);
    theta[k] = weights[k] * per_scale_[support[k]];
    for (std::int64_t s = 0; s < strata(); ++s) kept[s] += theta[k] * column_mean(s, support[k]);
  }
  std::fill_n(product, n, 0.0);
  kernels_->add_counts(rows.data(), theta.data(), count, n, product);
  const double m = static_cast<double>(runs_);
  for (std::int64_t i = 0; i < n; ++i) {
    product[i] /= m;
    for (std::int64_t s = 0; s < strata(); ++s)
      product[i] -= share_[s] * column_mean(s, i) * kept[s];
    product[i] *= per_scale_[i];
  }
}

}  // namespace modeldiff::lasso_solver
