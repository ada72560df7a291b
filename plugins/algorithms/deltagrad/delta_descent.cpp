#include "delta_descent.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <set>

#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"
#include "quasi_hessian.h"

namespace modeldiff::deltagrad {
namespace {

/// Pairs of a loss that is not convex are at most so many steps older than the exact step that
/// begins a period.
constexpr std::int64_t kOldestPair = 2;
/// H v may be longer than the largest |y| / |s| seen says, by this factor.
constexpr double kNormSlack = 1.5;
/// ... and may turn against v by this share.
constexpr double kLeastCurvature = -1e-3;

/// A prediction H s that is further from y than this share of |y| is worse than none. Where steps are
/// stiff (eta times curvature has been above the second) or the loss is not convex, errors can grow
/// from there: the next step is exact as well.
constexpr double kLost = 1;
constexpr double kStiff = 0.5;

/// Rounding errors of two gradients, in units of one.
constexpr double kRoundingSlack = 4;
/// Share of the change of a gradient that rounding may be.
constexpr double kLargestRounding = 1e-4;

/// When the next scheduled exact step is.
class ExactSteps {
 public:
  explicit ExactSteps(const ExactStepsParams& params) : params_(params) {}

  bool due(std::int64_t step) const {
    if (step < params_.burn_in) return true;
    if (params_.kind == ExactStepsKind::periodic)
      return (step - params_.burn_in) % params_.period == 0;
    return step >= next_;
  }

  /// @param error of the prediction that the exact step replaced, |y - H s| / |y|
  void made(std::int64_t step, double error) {
    constexpr double kGrowth = 1.5, kShrinkage = 0.6;
    gap_ = error < params_.tolerance
               ? std::min(kGrowth * gap_, static_cast<double>(params_.longest))
               : std::max(kShrinkage * gap_, 1.0);
    next_ = step + static_cast<std::int64_t>(gap_);
  }

 private:
  const ExactStepsParams& params_;
  double gap_ = 2;
  std::int64_t next_ = 0;
};

/// The answer to one request, step by step beside the run before.
class Correction {
 public:
  explicit Correction(const DeltaRequest& request)
      : request_(request),
        plan_(request.trajectory.plan),
        p_(request.before.parameters()),
        half_(request.trajectory.gradients.scalar_type() == at::kBFloat16),
        batches_(plan_, request.change),
        exact_(request.params.exact),
        hessian_(request.params.quasi_hessian, request.params.pairs, p_, request.before.rounding()),
        guarded_(request.params.safeguards == Safeguards::all ||
                 (request.params.safeguards == Safeguards::automatic && !request.before.convex())),
        v_(at::zeros({p_}, at::kDouble)),
        change_(at::empty({p_}, at::kDouble)),
        sum_(at::empty({p_}, at::kDouble)) {
    RandomStream random(plan_.seed, "audit");
    const std::int64_t count = std::min(request.params.audits, plan_.steps());
    for (const std::int64_t step : random.choose(plan_.steps(), count)) audited_.insert(step);
    if (request.keep_gradients) {
      gradients_ = at::empty({plan_.steps(), p_},
                             plan_.precision == Precision::float64 ? at::kDouble : at::kFloat);
    }
  }

  const at::Tensor& v() const { return v_; }
  /// The rows of the step that has begun.
  const StepRows& rows() const { return rows_; }

  /// @param w of the run before
  /// @return whether the step needs the true change of the batch's mean gradient between w and w + v
  bool begin(std::int64_t t, const at::Tensor& w) {
    rows_ = batches_.at(t);
    if (!moved_ || rows_.before.empty() || rows_.after.empty()) return false;
    if (exact_.due(t) || refilling_ || hessian_.size() == 0) return true;
    if (lost_) {
      ++report_.fallbacks;
      return true;
    }
    change_ = hessian_.times(v_);
    if (guarded_ && !plausible(change_)) {
      ++report_.fallbacks;
      return true;
    }
    ++report_.approximate_steps;
    if (audited_.count(t) > 0) {
      find_true_change(t, w, sum_);
      report_.audits.emplace_back(t, ((change_ - sum_).norm() / sum_.norm()).item<double>());
    }
    return false;
  }

  /// out <- the mean gradient at w + v less that at w, which is kept; where rounding would show in
  /// the difference of the two, without it, at half as much again.
  void find_true_change(std::int64_t t, const at::Tensor& w, at::Tensor& out) const {
    const Objective& objective = request_.before;
    const at::Tensor g = request_.trajectory.gradients[t];
    const double rounding = kRoundingSlack * objective.rounding() * g.norm().item<double>();
    const bool shows = rounding > kLargestRounding * largest_ratio_ * v_.norm().item<double>();
    if (half_ || (shows && objective.keeps_small_differences())) {
      objective.difference_sum(w, v_, rows_.before, out);
      out.div_(static_cast<double>(rows_.before.size()));
    } else {
      objective.gradient_sum(w + v_, rows_.before, out);
      out.div_(static_cast<double>(rows_.before.size())).sub_(g);
    }
  }

  /// Of a step that needs it.
  void take_true_change(std::int64_t t, const at::Tensor& w, const at::Tensor& change) {
    change_.copy_(change);
    ++report_.exact_steps;
    report_.rows += static_cast<std::int64_t>(rows_.before.size());
    const double length = change_.norm().item<double>(), moved = v_.norm().item<double>();
    if (request_.params.quasi_hessian == QuasiHessianKind::multisecant_kfac) renew_base(w);
    const double error =
        hessian_.size() == 0 ? 1 : (change_ - hessian_.times(v_)).norm().item<double>() / length;
    exact_.made(t, error);
    report_.stiffness = std::max(report_.stiffness, rate(t) * length / moved);
    largest_ratio_ = std::max(largest_ratio_, length / moved);
    // The pairs of a loss that is not convex are of one place: an exact step that was due is
    // followed by others until there are enough.
    if (guarded_) hessian_.forget_before(t - kOldestPair);
    if (!hessian_.add(v_, change_, t)) ++report_.refused_pairs;
    refilling_ = guarded_ && hessian_.size() < std::min(request_.params.pairs, kOldestPair);
    lost_ = request_.params.safeguards != Safeguards::none && error > kLost &&
            (guarded_ || report_.stiffness > kStiff);
  }

  /// @param w, next of the run before: where the step begins and ends
  void finish(std::int64_t t, const at::Tensor& w, const at::Tensor& next) {
    const at::Tensor g = request_.trajectory.gradients[t];
    if (rows_.before.empty() || rows_.after.empty()) {
      skip(t, w, next);
    } else if (moved_ || !rows_.removed.empty() || !rows_.added.empty()) {
      correct(t, w, g);
    } else {
      keep(t, g);
    }
    if (request_.on_step) request_.on_step(t, (t + 1 == plan_.steps() ? end_of(next) : next) + v_);
  }

  DeltaResult result(const at::Tensor& rebuilt) {
    return {end_of(rebuilt) + v_, v_, gradients_, std::move(report_)};
  }

 private:
  /// Where the run before ended: from gradients in bfloat16 it can only be rebuilt about.
  at::Tensor end_of(const at::Tensor& rebuilt) const {
    return half_ && request_.end.defined() ? request_.end : rebuilt;
  }

  double rate(std::int64_t t) const { return plan_.rates[static_cast<std::size_t>(t)]; }

  void keep(std::int64_t t, const at::Tensor& g) {
    if (gradients_.defined()) gradients_[t].copy_(g);
  }

  void correct(std::int64_t t, const at::Tensor& w, const at::Tensor& g) {
    const auto b = static_cast<double>(rows_.before.size());
    const auto r = static_cast<double>(rows_.removed.size());
    const auto a = static_cast<double>(rows_.added.size());
    at::Tensor total = moved_ ? change_.mul_(b) : change_.zero_();
    total.add_(g, r - a);
    const at::Tensor now = w + v_;
    add_gradients(request_.before, now, rows_.removed, -1, total);
    add_gradients(request_.after, now, rows_.added, 1, total);
    total.div_(b - r + a);
    v_.mul_(1 - rate(t) * plan_.weight_decay).sub_(total, rate(t));
    moved_ = true;
    if (gradients_.defined()) gradients_[t].copy_(total.add_(g));
    if (!std::isfinite(v_.sum().item<double>())) {
      throw NumericalError(fmt::format(
          "{}: the correction is not finite after step {} of {} (learning rate {:.4g}); try a "
          "shorter `exact.period` or `safeguards: all`",
          request_.label, t + 1, plan_.steps(), rate(t)));
    }
  }

  /// A step that one of the two runs does not make, having no rows.
  void skip(std::int64_t t, const at::Tensor& w, const at::Tensor& next) {
    at::Tensor now = w + v_;
    at::Tensor mean = at::zeros({p_}, at::kDouble);
    if (!rows_.after.empty()) {
      add_gradients(request_.after, now, rows_.after, 1, mean);
      mean.div_(static_cast<double>(rows_.after.size()));
      descent_step(now, rate(t), plan_.weight_decay, mean);
    }
    keep(t, mean);
    v_ = now.sub_(next);
    moved_ |= rows_.before.empty() != rows_.after.empty();
  }

  void add_gradients(const Objective& objective, const at::Tensor& w, RowSpan rows, double sign,
                     at::Tensor& total) {
    if (rows.empty()) return;
    objective.gradient_sum(w, rows, sum_);
    report_.rows += static_cast<std::int64_t>(rows.size());
    total.add_(sum_, sign);
  }

  void renew_base(const at::Tensor& w) {
    const KroneckerHessian base =
        request_.before.kronecker_hessian(w, rows_.before, input_moments_);
    if (!base.inputs.defined()) {
      throw ConfigError("quasi_hessian",
                        "`multisecant_kfac` is for linear models of at most 16 outputs and 8192 "
                        "columns; take `multisecant`");
    }
    input_moments_ = base.inputs;
    hessian_.set_base([base](const at::Tensor& v) { return base.times(v); });
  }

  bool plausible(const at::Tensor& product) const {
    const double length = product.norm().item<double>(), moved = v_.norm().item<double>();
    const double limit = kNormSlack * largest_ratio_;
    return std::isfinite(length) && length <= limit * moved &&
           v_.dot(product).item<double>() >= kLeastCurvature * limit * moved * moved;
  }

  const DeltaRequest& request_;
  const DescentPlan& plan_;
  std::int64_t p_;
  bool half_;  // the gradients are kept in bfloat16
  Batches batches_;
  StepRows rows_;
  ExactSteps exact_;
  QuasiHessian hessian_;
  at::Tensor input_moments_;
  bool guarded_;
  std::set<std::int64_t> audited_;
  at::Tensor v_;
  at::Tensor change_, sum_;  // of the mean gradient; scratch
  at::Tensor gradients_;
  bool moved_ = false;  // v is 0 until the change first touches a batch
  bool refilling_ = false;
  bool lost_ = false;         // the last prediction that was looked at was worse than none
  double largest_ratio_ = 0;  // |y| / |s|
  DeltaReport report_;
};

/// The true changes of several corrections, in one pass over the rows of their batch.
void find_true_changes(const Objective& objective, std::int64_t t, const at::Tensor& w,
                       std::span<Correction* const> corrections) {
  std::vector<at::Tensor> changes;
  for (const Correction* some : corrections) changes.push_back(some->v());
  at::Tensor out =
      at::empty({static_cast<std::int64_t>(corrections.size()), w.numel()}, at::kDouble);
  const RowSpan rows = corrections.front()->rows().before;
  objective.difference_sums(w, at::stack(changes), rows, out);
  out.div_(static_cast<double>(rows.size()));
  for (std::size_t i = 0; i < corrections.size(); ++i)
    corrections[i]->take_true_change(t, w, out[static_cast<std::int64_t>(i)]);
}

}  // namespace

std::vector<DeltaResult> delta_descend_together(std::span<const DeltaRequest> requests) {
  const DeltaRequest& first = requests.front();
  const Trajectory& trajectory = first.trajectory;
  const bool in_one_pass = first.params.at_once > 1 && first.before.keeps_small_differences();
  std::deque<Correction> corrections;
  for (const DeltaRequest& request : requests) corrections.emplace_back(request);
  at::Tensor w = trajectory.initial.clone(), change = at::empty_like(w);
  for (std::int64_t t = 0; t < trajectory.plan.steps(); ++t) {
    std::vector<Correction*> exact;
    for (Correction& some : corrections)
      if (some.begin(t, w)) exact.push_back(&some);
    if (in_one_pass) {
      if (!exact.empty()) find_true_changes(first.before, t, w, exact);
    } else {
      for (Correction* some : exact) {
        some->find_true_change(t, w, change);
        some->take_true_change(t, w, change);
      }
    }
    at::Tensor next = w.clone();
    if (!corrections.front().rows().before.empty()) {
      descent_step(next, trajectory.plan.rates[static_cast<std::size_t>(t)],
                   trajectory.plan.weight_decay, trajectory.gradients[t]);
    }
    for (Correction& some : corrections) some.finish(t, w, next);
    w = next;
  }
  std::vector<DeltaResult> out;
  for (Correction& some : corrections) out.push_back(some.result(w));
  return out;
}

DeltaResult delta_descend(const DeltaRequest& request) {
  return std::move(delta_descend_together({&request, 1}).front());
}

}  // namespace modeldiff::deltagrad
