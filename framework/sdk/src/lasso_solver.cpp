#include "lasso_solver.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

namespace modeldiff::lasso_solver {

namespace {

/// With more of the columns than this in the active set, gathering them costs more than it saves.
constexpr double kWholeShare = 0.5;
/// Columns with a gradient beyond this share of lambda enter before they are needed: most soon are.
constexpr double kScreen = 0.95;
/// Steps of lambda on the way from lambda_max to a lambda that is fixed, and how exactly they are
/// solved.
constexpr double kApproachStep = 0.6;
constexpr double kApproachGap = 1e-2;
/// Of the gap that is asked for, within the active set, where it is cheap to look.
constexpr double kInnerShare = 0.5;
/// A float32 drift can lower the gap by this factor before it must be made exact again.
constexpr double kDriftReach = 1e-4;
/// Gaps from here on can be judged by a gradient that was updated in float32 along a path.
constexpr double kDriftGap = 1e-6;
/// Rounds in which the gap is not halved, with nothing left to try, before rounding is taken to be
/// the limit.
constexpr int kStalledRounds = 3;

/// What the objective and the gap of a query need of its weights w and gradient g, with c = X~'y/m.
struct Sums {
  double wc = 0;        ///< w . c
  double wg = 0;        ///< w . g
  double norm = 0;      ///< |w|_1
  double steepest = 0;  ///< |g|_inf

  template <class Gradient>
  Sums(std::int64_t size, const double* weights, const double* cross, const Gradient& gradient) {
    for (std::int64_t i = 0; i < size; ++i) {
      const double g = gradient(i);
      wc += weights[i] * cross[i];
      wg += weights[i] * g;
      norm += std::abs(weights[i]);
      steepest = std::max(steepest, std::abs(g));
    }
  }

  /// |r|^2/m, given |y|^2/m.
  double residual(double square) const { return square - wc - wg; }

  double objective(double square, double lambda) const {
    return 0.5 * residual(square) + lambda * norm;
  }

  /// Duality gap over |y|^2/2m: with s = min(1, lambda/|X~'r/m|_inf) and the dual point u = s r,
  /// gap = |r|^2/2m + lambda |w|_1 - (|y|^2 - |y - u|^2)/2m. Rounding does not take it below 0.
  double gap(double square, double lambda) const {
    if (square <= 0) return 0;
    const double scale = steepest > lambda ? lambda / steepest : 1.0;
    const double dual = scale * (square - wc) - 0.5 * scale * scale * residual(square);
    return std::max(0.0, objective(square, lambda) - dual) / (0.5 * square);
  }
};

}  // namespace

HeldOut::HeldOut(const MaskBits& masks, const std::vector<double>& measurements,
                 const std::vector<std::int64_t>& strata)
    : runs_(masks.runs()),
      groups_(masks.groups()),
      queries_(static_cast<std::int64_t>(measurements.size()) / runs_),
      by_column_(masks.columns() * groups_),
      measurements_(&measurements),
      strata_(&strata) {
  constexpr std::int64_t kStrip = 64;
  for (std::int64_t first = 0; first < masks.columns(); first += kStrip)
    for (std::int64_t g = 0; g < groups_; ++g)
      for (std::int64_t i = first; i < std::min(masks.columns(), first + kStrip); ++i)
        by_column_[i * groups_ + g] = masks.bytes()[g * masks.stride() + i];
}

// ---- the active set ----

ActiveSet::ActiveSet(const Design& design) : design_(&design), member_(design.columns()) {}

void ActiveSet::clear() {
  whole_ = false;
  for (const std::int64_t column : columns_) member_[column] = 0;
  columns_.clear();
  diagonal_.clear();
  inverse_.clear();
  gathered_ = 0;
}

void ActiveSet::add(std::int64_t column) {
  member_[column] = 1;
  columns_.push_back(column);
  diagonal_.push_back(design_->diagonal()[column]);
  inverse_.push_back(design_->inverse()[column]);
  whole_ =
      static_cast<double>(columns_.size()) > kWholeShare * static_cast<double>(design_->columns());
}

std::int64_t ActiveSet::size() const {
  return whole_ ? design_->columns() : static_cast<std::int64_t>(columns_.size());
}

void ActiveSet::reserve(std::int64_t size) {
  if (padded(size) <= stride_) return;
  // No more than are gathered before the whole is used, and not a power of two, whose rows would
  // share cache sets.
  const auto most =
      static_cast<std::int64_t>(kWholeShare * static_cast<double>(design_->columns()));
  const std::int64_t stride = padded(std::max(size, std::min(2 * size, most))) + kPad;
  std::vector<float> larger(stride * stride);
  for (std::int64_t a = 0; a < gathered_; ++a)
    std::copy_n(gram_.data() + a * stride_, gathered_, larger.data() + a * stride);
  gram_ = std::move(larger);
  stride_ = stride;
}

void ActiveSet::gather() {
  if (whole_) return;
  const std::int64_t end = size();
  reserve(end);
  const std::int64_t begin = std::exchange(gathered_, end);
  for (std::int64_t a = begin; a < end; ++a)
    design_->gram_row(columns_[a], columns_.data(), end, gram_.data() + a * stride_);
  // The entries that a row gets lie side by side.
  for (std::int64_t b = 0; b < begin; ++b)
    for (std::int64_t a = begin; a < end; ++a) gram_[b * stride_ + a] = gram_[a * stride_ + b];
}

// ---- acceleration ----

bool Acceleration::push(const double* weights, const float* drift, std::int64_t size) {
  if (count_ > kDepth) count_ = 0;
  weights_[count_].assign(weights, weights + size);
  drift_[count_].assign(drift, drift + size);
  return ++count_ > kDepth;
}

void Acceleration::combine(std::vector<double>& weights, std::vector<float>& drift) const {
  // Coefficients that sum to 1 and make the combined difference least: (U'U) z = 1, z / sum z.
  std::array<std::array<double, kDepth + 1>, kDepth> system{};
  const std::size_t size = weights_[0].size();
  for (std::size_t i = 0; i < size; ++i) {
    std::array<double, kDepth> u;
    for (int k = 0; k < kDepth; ++k) u[k] = weights_[k + 1][i] - weights_[k][i];
    for (int k = 0; k < kDepth; ++k)
      for (int l = 0; l <= k; ++l) system[k][l] += u[k] * u[l];
  }
  double trace = 0;
  for (int k = 0; k < kDepth; ++k) trace += system[k][k];
  for (int k = 0; k < kDepth; ++k) {
    for (int l = k + 1; l < kDepth; ++l) system[k][l] = system[l][k];
    system[k][k] += 1e-10 * trace + std::numeric_limits<double>::min();
    system[k][kDepth] = 1;
  }
  for (int k = 0; k < kDepth; ++k)
    for (int row = 0; row < kDepth; ++row) {
      if (row == k) continue;
      const double factor = system[row][k] / system[k][k];
      for (int l = k; l <= kDepth; ++l) system[row][l] -= factor * system[k][l];
    }
  std::array<double, kDepth> share;
  double sum = 0;
  for (int k = 0; k < kDepth; ++k) sum += share[k] = system[k][kDepth] / system[k][k];
  weights.assign(size, 0.0);
  drift.assign(padded(static_cast<std::int64_t>(size)), 0.0f);
  for (std::size_t i = 0; i < size; ++i) {
    double slope = 0;
    for (int k = 0; k < kDepth; ++k) {
      weights[i] += share[k] / sum * weights_[k + 1][i];
      slope += share[k] / sum * drift_[k + 1][i];
    }
    drift[i] = static_cast<float>(slope);
  }
}

// ---- one query ----

QuerySolver::QuerySolver(const Design& design, Tolerance tolerance)
    : design_(&design), tolerance_(tolerance), n_(design.columns()), active_(design) {
  for (auto* v : {&cross_, &weights_, &gradient_, &last_weights_, &last_gradient_}) v->resize(n_);
}

void QuerySolver::begin(const Target& target) {
  const double m = static_cast<double>(design_->runs());
  lambda_max_ = 0;
  for (std::int64_t i = 0; i < n_; ++i) {
    cross_[i] = design_->cross(target, i) * design_->per_scale(i) / m;
    lambda_max_ = std::max(lambda_max_, std::abs(cross_[i]));
  }
  square_ = target.squares / m;
  gap_ = 0;
  sweeps_ = 0;
  active_.clear();
  std::fill(weights_.begin(), weights_.end(), 0.0);
  gradient_ = cross_;
  last_weights_ = weights_;
  last_gradient_ = gradient_;
}

/// Adds the columns whose gradient is beyond the threshold. Returns whether there were any.
bool QuerySolver::admit(double threshold) {
  bool any = false;
  for (std::int64_t i = 0; i < n_ && !active_.whole(); ++i)
    if ((std::abs(gradient_[i]) >= threshold || weights_[i] != 0) && !active_.contains(i) &&
        design_->inverse()[i] != 0) {
      active_.add(i);
      any = true;
    }
  return any;
}

/// Sweeps over the active set until its own duality gap is small enough, or as small as its drift
/// allows. Leaves weights_ changed, and gradient_ too when the active set is the whole. Returns the
/// number of sweeps.
std::int64_t QuerySolver::descend(double lambda, double gap, std::int64_t max_sweeps) {
  active_.gather();
  const bool whole = active_.whole();
  const std::int64_t size = active_.size();
  drift_.assign(padded(size), 0.0f);
  if (!whole) {
    for (auto* v : {&active_cross_, &active_base_, &active_weights_}) v->resize(size);
    for (std::int64_t a = 0; a < size; ++a) {
      const std::int64_t i = active_.columns()[a];
      active_cross_[a] = cross_[i];
      active_base_[a] = gradient_[i];
      active_weights_[a] = weights_[i];
    }
  }
  WorkingSet set{.size = size,
                 .stride = active_.stride(),
                 .gram = active_.gram(),
                 .diagonal = active_.diagonal(),
                 .inverse = active_.inverse(),
                 .base = whole ? gradient_.data() : active_base_.data(),
                 .weights = whole ? weights_.data() : active_weights_.data(),
                 .drift = drift_.data()};
  const auto sums_of = [&](const double* weights, const float* drift) {
    return Sums(size, weights, whole ? cross_.data() : active_cross_.data(),
                [&](std::int64_t a) { return set.base[a] + drift[a]; });
  };
  Sums now = sums_of(set.weights, set.drift);
  const double enough = std::max(gap, kDriftReach * now.gap(square_, lambda));
  const double rounding = std::numeric_limits<double>::epsilon() * lambda_max_;
  std::int64_t sweeps = 0;
  acceleration_.clear();
  while (now.gap(square_, lambda) > enough && sweeps < max_sweeps) {
    ++sweeps;
    if (design_->kernels().sweep(set, lambda) <= rounding) break;
    now = sums_of(set.weights, set.drift);
    if (!acceleration_.push(set.weights, set.drift, size)) continue;
    acceleration_.combine(tried_weights_, tried_drift_);
    const Sums tried = sums_of(tried_weights_.data(), tried_drift_.data());
    if (!(tried.objective(square_, lambda) < now.objective(square_, lambda))) continue;
    std::copy_n(tried_weights_.data(), size, set.weights);
    std::copy_n(tried_drift_.data(), size, set.drift);
    now = tried;
  }
  for (std::int64_t a = 0; a < size; ++a) {
    if (whole)
      gradient_[a] += drift_[a];
    else
      weights_[active_.columns()[a]] = active_weights_[a];
  }
  return sweeps;
}

/// From the weights and gradient at hand to those at lambda, with a gap over all columns of at most
/// `gap`.
/// @param exact also make the gradient exact when all columns are active
/// @return whether the gap, now in gap_, was reached
bool QuerySolver::solve(double lambda, double gap, bool exact) {
  double inner = kInnerShare * gap;
  double last = std::numeric_limits<double>::infinity();
  std::int64_t sweeps = 0;
  lambda_ = lambda;
  admit(kScreen * lambda);
  for (int stalled = 0;;) {
    sweeps += descend(lambda, inner, tolerance_.max_sweeps - sweeps);
    if (exact || !active_.whole()) refresh_gradient();
    gap_ = Sums(n_, weights_.data(), cross_.data(), [&](std::int64_t i) {
             return gradient_[i];
           }).gap(square_, lambda);
    if (gap_ <= gap || sweeps >= tolerance_.max_sweeps) break;
    if (admit(lambda)) {
      stalled = 0;
    } else {
      inner *= kInnerShare;
      if (!(gap_ <= 0.5 * last) && ++stalled == kStalledRounds) break;
    }
    last = gap_;
  }
  sweeps_ += sweeps;
  return gap_ <= gap;
}

/// Weights and gradient are linear in lambda as long as the support stays: goes on by `ratio` of
/// the last step.
void QuerySolver::extrapolate(double ratio) {
  for (std::int64_t i = 0; i < n_; ++i) {
    const double weight = weights_[i], gradient = gradient_[i];
    weights_[i] += ratio * (weight - last_weights_[i]);
    gradient_[i] += ratio * (gradient - last_gradient_[i]);
    last_weights_[i] = weight;
    last_gradient_[i] = gradient;
  }
}

/// A rough path from lambda_max to just above lambda, so that few columns enter in vain.
void QuerySolver::approach(double lambda) {
  if (lambda >= lambda_max_) return;
  const double steps = std::ceil(std::log(lambda / lambda_max_) / std::log(kApproachStep));
  const double step = std::pow(lambda / lambda_max_, 1 / steps);
  double at = lambda_max_;
  for (int k = 1; k < static_cast<int>(steps); ++k) {
    at *= step;
    solve(at, std::max(kApproachGap, tolerance_.gap), false);
    extrapolate(step);
  }
}

void QuerySolver::refresh_gradient() {
  const SparseWeights w = sparse();
  design_->multiply(w.support, w.values, gradient_.data());
  for (std::int64_t i = 0; i < n_; ++i) gradient_[i] = cross_[i] - gradient_[i];
}

void QuerySolver::set_weights(const SparseWeights& weights) {
  std::fill(weights_.begin(), weights_.end(), 0.0);
  for (std::size_t k = 0; k < weights.support.size(); ++k)
    weights_[weights.support[k]] = weights.values[k];
  refresh_gradient();
}

SparseWeights QuerySolver::sparse() const {
  SparseWeights out;
  for (std::int64_t i = 0; i < n_; ++i)
    if (weights_[i] != 0) {
      out.support.push_back(i);
      out.values.push_back(weights_[i]);
    }
  return out;
}

Solution QuerySolver::solution(bool converged) const {
  return {.weights = sparse(),
          .lambda = lambda_,
          .lambda_max = lambda_max_,
          .gap = gap_,
          .sweeps = sweeps_,
          .converged = converged};
}

Solution QuerySolver::fixed(const Target& target, double lambda, const SparseWeights* start) {
  begin(target);
  if (start)
    set_weights(*start);
  else
    approach(lambda);
  const bool converged = solve(lambda, tolerance_.gap, true);
  return solution(converged);
}

double QuerySolver::heldout_error(const Target& target, const HeldOut& heldout,
                                  std::int64_t query) {
  theta_.clear();
  mask_columns_.clear();
  intercepts_ = target.offsets;
  for (std::int64_t i = 0; i < n_; ++i)
    if (weights_[i] != 0) {
      const double theta = weights_[i] * design_->per_scale(i);
      for (std::int64_t s = 0; s < design_->strata(); ++s)
        intercepts_[s] -= theta * design_->column_mean(s, i);
      theta_.push_back(static_cast<float>(theta));
      mask_columns_.push_back(heldout.column(i));
    }
  predictions_.assign(8 * heldout.groups(), 0.0f);
  design_->kernels().add_masks(mask_columns_.data(), theta_.data(),
                               static_cast<std::int64_t>(theta_.size()), heldout.groups(),
                               predictions_.data());
  double sum = 0;
  for (std::int64_t j = 0; j < heldout.runs(); ++j) {
    const double error =
        heldout.measurement(j, query) - intercepts_[heldout.stratum(j)] - predictions_[j];
    sum += error * error;
  }
  return sum / static_cast<double>(heldout.runs());
}

Solution QuerySolver::path(const Target& target, const PathPlan& plan, const HeldOut& heldout,
                           std::int64_t query, double* errors) {
  begin(target);
  std::fill_n(errors, plan.lambdas, std::numeric_limits<double>::quiet_NaN());
  const double step = std::pow(plan.ratio, 1 / static_cast<double>(plan.lambdas - 1));
  bool converged = true;
  std::int64_t chosen = 0;
  double chosen_lambda = lambda_max_;
  SparseWeights best;
  for (std::int64_t k = 0; k < plan.lambdas; ++k) {
    if (k > 1) extrapolate(step);
    converged &= solve(lambda_max_ * std::pow(step, static_cast<double>(k)), tolerance_.gap,
                       tolerance_.gap < kDriftGap);
    errors[k] = heldout_error(target, heldout, query);
    if (k == 0 || errors[k] < errors[chosen]) {
      chosen = k;
      chosen_lambda = lambda_;
      best = sparse();
    }
    if (plan.patience > 0 && k - chosen >= plan.patience) break;
  }
  set_weights(best);
  converged &= solve(chosen_lambda, tolerance_.gap, true);
  Solution out = solution(converged);
  out.chosen = chosen;
  return out;
}

}  // namespace modeldiff::lasso_solver
