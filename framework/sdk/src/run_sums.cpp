#include "modeldiff/run_sums.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "modeldiff/core/error.h"
#include "modeldiff/tensors.h"
#include "run_sums_parts.h"

namespace modeldiff {
namespace {

using lasso_solver::kQueryBlock;

/// Runs that are summed together: what one costs is then far more than that of going through the
/// whole Gram matrix once. Whole groups of the kernels, so that no sum depends on how runs are given.
constexpr std::int64_t kRunsAtOnce = 4096;
static_assert(kRunsAtOnce % (8 * lasso_solver::kGroupBlock) == 0);

const lasso_solver::Kernels& kernels_of(RunSums::Simd simd) {
  constexpr const char* kNames[] = {"", "baseline", "avx2", "avx512"};
  const char* name = kNames[static_cast<int>(simd)];
  const lasso_solver::Kernels* found = lasso_solver::find_kernels(name);
  if (!found) throw ConfigError("simd", fmt::format("this processor cannot run '{}'", name));
  return *found;
}

/// [k, n] contiguous bytes 0 and 1. @param first number of the first run, for the error
at::Tensor mask_bytes(const at::Tensor& masks, std::int64_t first) {
  if (masks.scalar_type() == at::kBool) return masks.cpu().contiguous().view(at::kByte);
  const at::Tensor bad = masks.ne(0).logical_and_(masks.ne(1));
  if (bad.any().item<bool>()) {
    const at::Tensor at = bad.nonzero()[0].cpu();
    const std::int64_t run = at[0].item<std::int64_t>(), column = at[1].item<std::int64_t>();
    throw DataError(fmt::format("masks[{}, {}] must be 0 or 1, found {}", first + run, column,
                                masks[run][column].item<double>()));
  }
  return masks.to(at::kCPU, at::kByte).contiguous();
}

/// [k, N] contiguous float64, finite.
at::Tensor finite_measurements(const at::Tensor& measurements, std::int64_t first) {
  if (measurements.scalar_type() != at::kFloat && measurements.scalar_type() != at::kDouble)
    throw ShapeError(
        fmt::format("measurements must be float32 or float64, got {}", shape_text(measurements)));
  const at::Tensor bad = measurements.isfinite().logical_not();
  if (bad.any().item<bool>()) {
    const at::Tensor at = bad.nonzero()[0].cpu();
    throw DataError(fmt::format("measurements[{}, {}] is not finite",
                                first + at[0].item<std::int64_t>(), at[1].item<std::int64_t>()));
  }
  return measurements.to(at::kCPU, at::kDouble).contiguous();
}

/// One value a run, `otherwise` without the tensor.
template <class T>
std::vector<T> of_runs(const at::Tensor& values, std::int64_t runs, T otherwise, const char* name) {
  if (!values.defined()) return std::vector<T>(runs, otherwise);
  constexpr at::ScalarType type = c10::CppTypeToScalarType<T>::value;
  if (values.dim() != 1 || values.size(0) != runs || values.scalar_type() != type)
    throw ShapeError(fmt::format("{} must be [{}] {}, got {}", name, runs, c10::toString(type),
                                 shape_text(values)));
  const at::Tensor plain = values.cpu().contiguous();
  const T* data = plain.const_data_ptr<T>();
  return {data, data + runs};
}

}  // namespace

// ---- the sums ----

RunSums::Parts::Parts(std::int64_t columns, std::int64_t queries, int threads, Simd simd)
    : queries_(queries),
      threads_(threads),
      kernels_(&kernels_of(simd)),
      counts_(columns),
      cross_((queries + kQueryBlock - 1) / kQueryBlock * columns * kQueryBlock),
      products_(at::zeros({queries, queries}, at::kDouble)),
      waiting_{lasso_solver::MaskBits(columns), {}, {}},
      heldout_{lasso_solver::MaskBits(columns), {}, {}} {}

void RunSums::Parts::add(const std::uint8_t* mask, const double* measurements, std::int64_t stratum,
                         bool heldout) {
  if (stratum >= static_cast<std::int64_t>(pivots_.size())) pivots_.resize(stratum + 1);
  std::vector<double>& pivot = pivots_[stratum];
  if (pivot.empty()) pivot.assign(measurements, measurements + queries_);
  Runs& runs = heldout ? heldout_ : waiting_;
  runs.masks.add(mask);
  runs.strata.push_back(stratum);
  const std::size_t before = runs.measurements.size();
  runs.measurements.resize(before + queries_);
  for (std::int64_t q = 0; q < queries_; ++q)
    runs.measurements[before + q] = measurements[q] - pivot[q];
  if (waiting_.masks.runs() == kRunsAtOnce) sum(waiting_);
}

void RunSums::Parts::sum(Runs& runs) {
  const lasso_solver::MaskBits& masks = runs.masks;
  const std::int64_t n = columns();
  if (masks.runs() == 0) return;
  counts_.add(masks, *kernels_, threads_);
  struct Scratch {
    std::vector<double> y, tables;
  };
  std::vector<Scratch> scratch(threads_);
  const std::int64_t blocks = static_cast<std::int64_t>(cross_.size()) / (n * kQueryBlock);
  lasso_solver::for_each(blocks, threads_, [&](std::int64_t block, int worker) {
    auto& [y, tables] = scratch[worker];
    tables.resize(lasso_solver::kGroupBlock * 256 * kQueryBlock);
    y.assign(masks.groups() * 8 * kQueryBlock, 0);
    const std::int64_t first = block * kQueryBlock,
                       width = std::min<std::int64_t>(kQueryBlock, queries_ - first);
    for (std::int64_t run = 0; run < masks.runs(); ++run)
      std::copy_n(runs.measurements.data() + run * queries_ + first, width,
                  y.data() + run * kQueryBlock);
    kernels_->cross(masks.bytes(), masks.groups(), masks.stride(), n, y.data(), tables.data(),
                    cross_.data() + block * n * kQueryBlock);
  });
  const at::Tensor y =
      at::from_blob(runs.measurements.data(), {masks.runs(), queries_}, at::kDouble);
  products_.addmm_(y.t(), y);
  add_to_strata(runs);
  runs.masks.clear();
  runs.measurements.clear();
  runs.strata.clear();
  mirrored_ = false;
}

void RunSums::Parts::add_to_strata(const Runs& runs) {
  strata_.resize(pivots_.size());
  for (Stratum& stratum : strata_) {
    stratum.presence.present.resize(columns());
    stratum.measurements.resize(queries_);
  }
  const lasso_solver::MaskBits& masks = runs.masks;
  for (std::int64_t run = 0; run < masks.runs(); ++run) {
    Stratum& stratum = strata_[runs.strata[run]];
    ++stratum.presence.runs;
    for (std::int64_t q = 0; q < queries_; ++q)
      stratum.measurements[q] += runs.measurements[run * queries_ + q];
  }
  std::vector<std::uint8_t> members(strata_.size());  // of a group of eight runs, as bits
  for (std::int64_t first = 0; first < masks.runs(); first += 8) {
    std::fill(members.begin(), members.end(), std::uint8_t{0});
    for (std::int64_t run = first; run < std::min(first + 8, masks.runs()); ++run)
      members[runs.strata[run]] |= static_cast<std::uint8_t>(1 << (run - first));
    const std::uint8_t* bytes = masks.bytes() + first / 8 * masks.stride();
    for (std::size_t s = 0; s < members.size(); ++s) {
      if (members[s] == 0) continue;
      double* present = strata_[s].presence.present.data();
      for (std::int64_t i = 0; i < columns(); ++i)
        present[i] += std::popcount(static_cast<std::uint8_t>(bytes[i] & members[s]));
    }
  }
}

void RunSums::Parts::release_heldout() {
  sum(waiting_);
  sum(heldout_);
}

void RunSums::Parts::finish() {
  sum(waiting_);
  if (!mirrored_) counts_.mirror(threads_);
  mirrored_ = true;
  const auto empty = std::find_if(strata_.begin(), strata_.end(),
                                  [](const Stratum& s) { return s.presence.runs == 0; });
  if (strata_.empty() || strata_.size() < pivots_.size() || empty != strata_.end() ||
      runs() <= strata())
    throw DataError(
        fmt::format("{} runs in {} strata, and {} held out: there must be one more than strata, "
                    "and one in each",
                    runs(), pivots_.size(), heldout_runs()));
  for (std::int64_t q = 0; q < queries_; ++q)
    if (!std::isfinite(products_[q][q].item<double>()))
      throw NumericalError("the squares of the measurements overflow");
}

std::int64_t RunSums::Parts::runs() const {
  std::int64_t sum = waiting_.masks.runs();
  for (const Stratum& stratum : strata_) sum += stratum.presence.runs;
  return sum;
}

lasso_solver::Design RunSums::Parts::design(bool standardise) const {
  std::vector<const lasso_solver::Presence*> presence;
  for (const Stratum& stratum : strata_) presence.push_back(&stratum.presence);
  return lasso_solver::Design(counts_, presence, standardise, *kernels_, threads_);
}

lasso_solver::Target RunSums::Parts::target(std::int64_t query) const {
  lasso_solver::Target target;
  target.sums = cross_.data() + query / kQueryBlock * columns() * kQueryBlock + query % kQueryBlock;
  target.squares = products_.const_data_ptr<double>()[query * (queries_ + 1)];
  for (const Stratum& stratum : strata_) {
    target.offsets.push_back(stratum.mean(query));
    target.squares -= target.offsets.back() * stratum.measurements[query];
  }
  target.squares = std::max(target.squares, 0.0);
  return target;
}

lasso_solver::HeldOut RunSums::Parts::heldout() const {
  return {heldout_.masks, heldout_.measurements, heldout_.strata};
}

double RunSums::Parts::mean(std::int64_t stratum, std::int64_t query) const {
  return pivots_[stratum][query] + strata_[stratum].mean(query);
}

at::Tensor RunSums::Parts::products() const {
  at::Tensor out = products_.clone();
  for (const Stratum& stratum : strata_) {
    const at::Tensor sum = at::tensor(stratum.measurements, at::kDouble);
    out.addr_(sum, sum, /*beta=*/1, /*alpha=*/-1.0 / static_cast<double>(stratum.presence.runs));
  }
  return out;
}

double RunSums::Parts::mask_variance() const {
  double sum = 0;
  for (const auto& [presence, measurements] : strata_) {
    const auto runs = static_cast<double>(presence.runs);
    const double kept = std::accumulate(presence.present.begin(), presence.present.end(), 0.0) /
                        (runs * static_cast<double>(columns()));
    sum += runs * kept * (1 - kept);
  }
  return sum;
}

// ---- what others see of them ----

RunSums::RunSums(std::int64_t columns, std::int64_t queries, int threads, Simd simd) {
  MODELDIFF_CHECK(columns > 0 && queries > 0 && threads > 0,
                  fmt::format("columns {}, queries {}, threads {}", columns, queries, threads));
  parts_ = std::make_unique<Parts>(columns, queries, threads, simd);
}

RunSums::~RunSums() = default;

void RunSums::add(const at::Tensor& masks, const at::Tensor& measurements, const at::Tensor& strata,
                  const at::Tensor& heldout) {
  const std::int64_t n = parts_->columns(), queries = parts_->queries();
  if (masks.dim() != 2 || measurements.dim() != 2 || masks.size(0) != measurements.size(0) ||
      masks.size(1) != n || measurements.size(1) != queries)
    throw ShapeError(fmt::format("masks must be [k, {}] and measurements [k, {}], got {} and {}", n,
                                 queries, shape_text(masks), shape_text(measurements)));
  const std::int64_t first = runs() + heldout_runs(), count = masks.size(0);
  const auto stratum = of_runs<std::int64_t>(strata, count, 0, "strata");
  const auto out = of_runs<std::uint8_t>(heldout.defined() ? heldout.to(at::kByte) : heldout, count,
                                         0, "heldout");
  const auto negative = std::find_if(stratum.begin(), stratum.end(), [](auto s) { return s < 0; });
  if (negative != stratum.end())
    throw DataError(fmt::format("strata[{}] is {}", negative - stratum.begin(), *negative));
  const at::Tensor x = mask_bytes(masks, first), y = finite_measurements(measurements, first);
  for (std::int64_t run = 0; run < count; ++run)
    parts_->add(x.const_data_ptr<std::uint8_t>() + run * n,
                y.const_data_ptr<double>() + run * queries, stratum[run], out[run] != 0);
}

void RunSums::release_heldout() { parts_->release_heldout(); }
std::int64_t RunSums::runs() const { return parts_->runs(); }
std::int64_t RunSums::heldout_runs() const { return parts_->heldout_runs(); }

at::Tensor RunSums::difference_of_means() {
  parts_->finish();
  const lasso_solver::Design design = parts_->design(/*standardise=*/false);
  const auto m = static_cast<double>(design.runs());
  const std::int64_t queries = parts_->queries(), n = parts_->columns();
  at::Tensor weights = at::empty({queries, n}, at::kDouble);
  double* out = weights.mutable_data_ptr<double>();
  lasso_solver::for_each(queries, parts_->threads(), [&](std::int64_t q, int) {
    const lasso_solver::Target target = parts_->target(q);
    for (std::int64_t i = 0; i < n; ++i)
      out[q * n + i] = design.cross(target, i) / m * design.inverse()[i];
  });
  return weights;
}

at::Tensor RunSums::measurement_covariance() {
  parts_->finish();
  return parts_->products() / static_cast<double>(parts_->runs() - parts_->strata());
}

double RunSums::noise_scale() {
  parts_->finish();
  return 1 / parts_->mask_variance();
}

double RunSums::memory_bytes(std::int64_t columns, std::int64_t queries, std::int64_t runs,
                             std::int64_t heldout) {
  const auto n = static_cast<double>(columns), q = static_cast<double>(queries);
  const double most = std::min(n, static_cast<double>(runs));  // weights of a query
  const double of_run = n / 8 + 8 * q;
  const double waiting = static_cast<double>(std::min(kRunsAtOnce, runs)) * of_run;
  const double kept = static_cast<double>(heldout) * (of_run + n / 8);
  return 4 * n * n + 4 * most * most + 2 * 8 * q * n + 8 * q * q + waiting + kept;
}

}  // namespace modeldiff
