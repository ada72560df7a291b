#include "delta_descent.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
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
  bool adapts() const { return params_.kind == ExactStepsKind::adaptive; }

 private:
  const ExactStepsParams& params_;
  double gap_ = 2;
  std::int64_t next_ = 0;
};

class DeltaDescent {
 public:
  explicit DeltaDescent(const DeltaRequest& request)
      : request_(request),
        plan_(request.trajectory.plan),
        p_(request.before.parameters()),
        batches_(plan_, request.change),
        exact_(request.params.exact),
        hessian_(request.params.quasi_hessian, request.params.pairs, p_, request.before.rounding()),
        guarded_(request.params.safeguards == Safeguards::on ||
                 (request.params.safeguards == Safeguards::automatic && !request.before.convex())),
        w_(request.trajectory.initial.clone()),
        v_(at::zeros({p_}, at::kDouble)),
        change_(at::empty({p_}, at::kDouble)),
        sum_(at::empty({p_}, at::kDouble)) {
    RandomStream random(plan_.seed, "audit");
    const std::int64_t count = std::min(request.params.audits, plan_.steps());
    for (const std::int64_t step : random.choose(plan_.steps(), count)) audited_.insert(step);
  }

  DeltaResult run() {
    for (std::int64_t t = 0; t < plan_.steps(); ++t) {
      step(t);
      if (request_.on_step) request_.on_step(t, w_ + v_);
    }
    return {w_ + v_, v_, std::move(report_)};
  }

 private:
  void step(std::int64_t t) {
    const StepRows rows = batches_.at(t);
    const double rate = plan_.rates[static_cast<std::size_t>(t)];
    const at::Tensor g = request_.trajectory.gradients[t];
    if (rows.after.empty()) {  // skipped on the changed data, but not in the run before
      v_.add_(w_);
      descent_step(w_, rate, plan_.weight_decay, g);
      v_.sub_(w_);
      moved_ = true;
      return;
    }
    const auto b = static_cast<double>(rows.before.size());
    const auto r = static_cast<double>(rows.removed.size());
    const auto a = static_cast<double>(rows.added.size());
    if (moved_) change_of_gradient(t, rate, rows.before);  // change_ <- H v, or y
    if (moved_ || r + a > 0) {
      at::Tensor total = moved_ ? change_.mul_(b) : change_.zero_();
      total.add_(g, r - a);
      const at::Tensor now = w_ + v_;
      add_gradients(request_.before, now, rows.removed, -1, total);
      add_gradients(request_.after, now, rows.added, 1, total);
      v_.mul_(1 - rate * plan_.weight_decay).sub_(total, rate / (b - r + a));
      moved_ = true;
      if (!std::isfinite(v_.sum().item<double>())) {
        throw NumericalError(fmt::format(
            "{}: the correction is not finite after step {} of {} (learning rate {:.4g}); try a "
            "shorter `exact.period` or `safeguards: on`",
            request_.label, t + 1, plan_.steps(), rate));
      }
    }
    descent_step(w_, rate, plan_.weight_decay, g);
  }

  void add_gradients(const Objective& objective, const at::Tensor& w, RowSpan rows, double sign,
                     at::Tensor& total) {
    if (rows.empty()) return;
    objective.gradient_sum(w, rows, sum_);
    report_.rows += static_cast<std::int64_t>(rows.size());
    total.add_(sum_, sign);
  }

  /// change_ <- the change of the mean gradient of the batch between w and w + v.
  void change_of_gradient(std::int64_t t, double rate, RowSpan rows) {
    if (exact_.due(t) || refilling_ || hessian_.size() == 0) {
      exact_change(t, rate, rows);
      return;
    }
    change_ = hessian_.times(v_);
    if (guarded_ && !plausible(change_)) {
      ++report_.fallbacks;
      exact_change(t, rate, rows);
      return;
    }
    ++report_.approximate_steps;
    if (audited_.count(t) > 0) {
      true_change(t, rows, sum_);
      report_.audits.emplace_back(t, ((change_ - sum_).norm() / sum_.norm()).item<double>());
    }
  }

  /// out <- the mean gradient at w + v less that at w, which is kept; where rounding would show in
  /// the difference of the two, without it, at half as much again.
  void true_change(std::int64_t t, RowSpan rows, at::Tensor& out) {
    const Objective& objective = request_.before;
    const at::Tensor g = request_.trajectory.gradients[t];
    const double rounding = kRoundingSlack * objective.rounding() * g.norm().item<double>();
    const bool shows = rounding > kLargestRounding * largest_ratio_ * v_.norm().item<double>();
    if (shows && objective.keeps_small_differences()) {
      objective.difference_sum(w_, v_, rows, out);
      out.div_(static_cast<double>(rows.size()));
    } else {
      objective.gradient_sum(w_ + v_, rows, out);
      out.div_(static_cast<double>(rows.size())).sub_(g);
    }
  }

  void exact_change(std::int64_t t, double rate, RowSpan rows) {
    ++report_.exact_steps;
    report_.rows += static_cast<std::int64_t>(rows.size());
    true_change(t, rows, change_);
    const double length = change_.norm().item<double>(), moved = v_.norm().item<double>();
    if (exact_.adapts()) {
      const double error =
          hessian_.size() == 0 ? 1 : (change_ - hessian_.times(v_)).norm().item<double>() / length;
      exact_.made(t, error);
    }
    report_.stiffness = std::max(report_.stiffness, rate * length / moved);
    largest_ratio_ = std::max(largest_ratio_, length / moved);
    // The pairs of a loss that is not convex are of one place: an exact step that was due is
    // followed by others until there are enough.
    if (guarded_) hessian_.forget_before(t - kOldestPair);
    if (!hessian_.add(v_, change_, t)) ++report_.refused_pairs;
    refilling_ = guarded_ && hessian_.size() < std::min(request_.params.pairs, kOldestPair);
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
  Batches batches_;
  ExactSteps exact_;
  QuasiHessian hessian_;
  bool guarded_;
  std::set<std::int64_t> audited_;
  at::Tensor w_, v_;         // of the run before; what the change makes of it
  at::Tensor change_, sum_;  // of the mean gradient; scratch
  bool moved_ = false;       // v is 0 until the change first touches a batch
  bool refilling_ = false;
  double largest_ratio_ = 0;  // |y| / |s|
  DeltaReport report_;
};

}  // namespace

DeltaResult delta_descend(const DeltaRequest& request) { return DeltaDescent(request).run(); }

}  // namespace modeldiff::deltagrad
