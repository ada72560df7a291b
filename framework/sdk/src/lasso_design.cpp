#include "lasso_design.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

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

MaskBits::MaskBits(const std::uint8_t* masks, std::int64_t columns_,
                   const std::vector<std::int64_t>& rows, int threads)
    : runs(static_cast<std::int64_t>(rows.size())), columns(columns_) {
  constexpr std::int64_t kRuns = 8 * kGroupBlock;
  const std::int64_t blocks = (runs + kRuns - 1) / kRuns;
  count = blocks * kGroupBlock;
  stride = columns + kWidestStrip;  // a strip may reach past the last column
  groups.resize(count * stride);
  for_each(blocks, threads, [&](std::int64_t block, int) {
    for (std::int64_t j = kRuns * block; j < std::min(runs, kRuns * (block + 1)); ++j) {
      std::uint8_t* group = groups.data() + j / 8 * stride;
      const std::uint8_t* row = masks + rows[j] * columns;
      for (std::int64_t i = 0; i < columns; ++i)
        group[i] |= static_cast<std::uint8_t>(row[i] << (j % 8));
    }
  });
}

std::vector<double> MaskBits::column_counts() const {
  std::vector<double> counts(columns);
  for (std::int64_t g = 0; g < count; ++g)
    for (std::int64_t i = 0; i < columns; ++i) counts[i] += std::popcount(groups[g * stride + i]);
  return counts;
}

PairCounts::PairCounts(const MaskBits& bits, const Kernels& kernels, int threads)
    : columns(bits.columns),
      stride(padded(columns)),
      entries(std::make_unique_for_overwrite<std::int32_t[]>(columns * stride)) {
  const std::int64_t n = columns, strip = kernels.strip;
  std::vector<std::vector<std::uint8_t>> scratch(threads);
  for_each((n + strip - 1) / strip, threads, [&](std::int64_t s, int worker) {
    scratch[worker].resize((kGroupBlock * 256 + 3 * n) * strip);
    kernels.count_strip(bits.groups.data(), bits.count, bits.stride, s * strip, n,
                        scratch[worker].data(), entries.get(), stride);
  });
  // The upper triangle, in tiles whose rows and columns stay in cache.
  constexpr std::int64_t kTile = 64;
  for_each((n + kTile - 1) / kTile, threads, [&](std::int64_t tile, int) {
    const std::int64_t begin = tile * kTile, end = std::min(n, begin + kTile);
    for (std::int64_t across = begin; across < n; across += kTile)
      for (std::int64_t i = begin; i < end; ++i)
        for (std::int64_t j = std::max(i + 1, across); j < std::min(n, across + kTile); ++j)
          entries[i * stride + j] = entries[j * stride + i];
  });
}

void PairCounts::add(const PairCounts& others) {
  for (std::int64_t i = 0; i < columns; ++i)
    for (std::int64_t j = 0; j < columns; ++j)
      entries[i * stride + j] += others.entries[i * stride + j];
}

Targets::Targets(const std::vector<RunSet>& parts, const Measurements& y, const Kernels& kernels,
                 int threads)
    : means(y.queries), squares(y.queries), cross(y.queries * parts.front().bits.columns) {
  const std::int64_t n = parts.front().bits.columns;
  double runs = 0;
  for (const RunSet& part : parts) runs += static_cast<double>(part.bits.runs);
  struct Scratch {
    std::vector<double> y, tables, sums;
  };
  std::vector<Scratch> scratch(threads);
  for_each((y.queries + kQueryBlock - 1) / kQueryBlock, threads,
           [&](std::int64_t block, int worker) {
             const std::int64_t first = block * kQueryBlock,
                                width = std::min<std::int64_t>(kQueryBlock, y.queries - first);
             auto& [centred, tables, sums] = scratch[worker];
             tables.resize(kGroupBlock * 256 * kQueryBlock);
             sums.assign(n * kQueryBlock, 0);
             double* mean = means.data() + first;
             for (const RunSet& part : parts)
               for (const std::int64_t row : part.rows)
                 for (std::int64_t q = 0; q < width; ++q) mean[q] += y.at(row, first + q);
             for (std::int64_t q = 0; q < width; ++q) mean[q] /= runs;
             for (const RunSet& part : parts) {
               centred.assign(part.bits.count * 8 * kQueryBlock, 0);
               for (std::size_t j = 0; j < part.rows.size(); ++j)
                 for (std::int64_t q = 0; q < width; ++q) {
                   const double value = y.at(part.rows[j], first + q) - mean[q];
                   centred[j * kQueryBlock + q] = value;
                   squares[first + q] += value * value;
                 }
               kernels.cross(part.bits.groups.data(), part.bits.count, part.bits.stride, n,
                             centred.data(), tables.data(), sums.data());
             }
             for (std::int64_t q = 0; q < width; ++q)
               for (std::int64_t i = 0; i < n; ++i)
                 cross[(first + q) * n + i] = sums[i * kQueryBlock + q];
           });
}

template <class Centred>
void Design::fill(bool standardise, int threads, const Centred& centred) {
  // A smaller variance is the rounding of a constant: one run with a column, or without it, has (m
  // - 1)/m^2.
  constexpr double kNoVariance = 1e-9;
  const double m = static_cast<double>(runs_);
  per_scale_.resize(columns_);
  diagonal_.resize(columns_);
  inverse_.resize(columns_);
  for (std::int64_t i = 0; i < columns_; ++i) {
    const double variance = centred(i, i) / m;
    if (variance <= kNoVariance) continue;
    per_scale_[i] = standardise ? 1 / std::sqrt(variance) : 1;
    diagonal_[i] = standardise ? 1 : variance;
    inverse_[i] = 1 / diagonal_[i];
  }
  gram_ = std::make_unique_for_overwrite<float[]>(columns_ * stride_);
  for_each(columns_, threads, [&](std::int64_t i, int) {
    float* row = gram_.get() + i * stride_;
    const double scale = per_scale_[i] / m;
    for (std::int64_t j = 0; j < columns_; ++j)
      row[j] = static_cast<float>(centred(i, j) * scale * per_scale_[j]);
    std::fill(row + columns_, row + stride_, 0.0f);
  });
}

Design::Design(PairCounts counts, std::int64_t runs, bool standardise, const Kernels& kernels,
               int threads)
    : columns_(counts.columns),
      runs_(runs),
      stride_(counts.stride),
      kernels_(&kernels),
      counts_(std::move(counts)),
      means_(columns_) {
  std::vector<double> present(columns_);
  for (std::int64_t i = 0; i < columns_; ++i) {
    present[i] = counts_.row(i)[i];
    means_[i] = present[i] / static_cast<double>(runs_);
  }
  fill(standardise, threads,
       [&](std::int64_t i, std::int64_t j) { return counts_.row(i)[j] - means_[i] * present[j]; });
}

Design::Design(const double* centred_sums, std::int64_t columns, std::int64_t runs,
               bool standardise, const Kernels& kernels, int threads)
    : columns_(columns),
      runs_(runs),
      stride_(padded(columns)),
      kernels_(&kernels),
      sums_(centred_sums),
      means_(columns) {
  fill(standardise, threads,
       [&](std::int64_t i, std::int64_t j) { return sums_[i * columns_ + j]; });
}

void Design::multiply(const std::vector<std::int64_t>& support, const std::vector<double>& weights,
                      double* product) const {
  const std::int64_t count = static_cast<std::int64_t>(support.size());
  std::vector<double> theta(support.size());
  double kept = 0;  // sum of theta over the columns that an average run has
  for (std::int64_t k = 0; k < count; ++k) {
    theta[k] = weights[k] * per_scale_[support[k]];
    kept += theta[k] * means_[support[k]];
  }
  std::fill_n(product, columns_, 0.0);
  if (sums_) {
    std::vector<const double*> rows(support.size());
    for (std::int64_t k = 0; k < count; ++k) rows[k] = sums_ + support[k] * columns_;
    kernels_->add_sums(rows.data(), theta.data(), count, columns_, product);
  } else {
    std::vector<const std::int32_t*> rows(support.size());
    for (std::int64_t k = 0; k < count; ++k) rows[k] = counts_.row(support[k]);
    kernels_->add_counts(rows.data(), theta.data(), count, columns_, product);
  }
  const double m = static_cast<double>(runs_);
  for (std::int64_t i = 0; i < columns_; ++i)
    product[i] = (product[i] / m - means_[i] * kept) * per_scale_[i];
}

}  // namespace modeldiff::lasso_solver
