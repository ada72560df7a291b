#include "newton_step.h"

#include <ATen/ATen.h>

#include <cmath>
#include <functional>

#include "modeldiff/core/error.h"

namespace modeldiff::newton {
namespace {

/// Length of the step along which the change of the gradient stands for the Hessian: the third
/// derivative enters with this factor, rounding does not grow as it shrinks.
constexpr double kStep = 1e-6;

/// A mean loss with its penalty, over fixed rows.
class MeanLoss {
 public:
  MeanLoss(const Objective& objective, std::vector<std::int32_t> rows, double weight_decay)
      : objective_(objective), rows_(std::move(rows)), weight_decay_(weight_decay) {}

  std::int64_t rows() const { return static_cast<std::int64_t>(rows_.size()); }

  at::Tensor gradient(const at::Tensor& w) const {
    at::Tensor out = at::empty_like(w);
    objective_.gradient_sum(w, rows_, out);
    return out.div_(static_cast<double>(rows_.size())).add_(w, weight_decay_);
  }

  at::Tensor hessian_times(const at::Tensor& w, const at::Tensor& v) const {
    const double step = kStep / v.norm().item<double>();
    at::Tensor out = at::empty_like(w);
    objective_.difference_sum(w, step * v, rows_, out);
    return out.div_(step * static_cast<double>(rows_.size())).add_(v, weight_decay_);
  }

 private:
  const Objective& objective_;
  std::vector<std::int32_t> rows_;
  double weight_decay_;
};

struct Solution {
  at::Tensor x;
  std::int64_t iterations = 0;
  double residual = 0;
};

/// Conjugate gradients for A x = b, from 0.
Solution solve(const std::function<at::Tensor(const at::Tensor&)>& times, const at::Tensor& b,
               const NewtonParams& params) {
  Solution out{at::zeros_like(b)};
  at::Tensor r = b.clone(), direction = r.clone();
  const double length = b.norm().item<double>();
  double square = r.dot(r).item<double>();
  if (length == 0) return out;
  while (out.iterations < params.iterations) {
    const at::Tensor product = times(direction);
    const double step = square / direction.dot(product).item<double>();
    out.x.add_(direction, step);
    r.sub_(product, step);
    ++out.iterations;
    const double next = r.dot(r).item<double>();
    out.residual = std::sqrt(next) / length;
    if (out.residual <= params.tolerance) break;
    direction.mul_(next / square).add_(r);
    square = next;
  }
  return out;
}

}  // namespace

NewtonResult newton_step(const NewtonRequest& request) {
  if (!request.before.convex())
    throw ConfigError("from",
                      "names a run of a model that is not linear: a Newton step needs a "
                      "Hessian that is positive definite");
  const MeanLoss before(request.before, request.plan.live_rows(), request.plan.weight_decay);
  const MeanLoss after(request.after, request.plan.after(request.change).live_rows(),
                       request.plan.weight_decay);
  const bool influence = request.params.kind == NewtonKind::influence;
  at::Tensor right = after.gradient(request.w);
  if (influence) right.sub_(before.gradient(request.w));
  const MeanLoss& curved = influence ? before : after;
  const Solution shift =
      solve([&](const at::Tensor& v) { return curved.hessian_times(request.w, v); }, right,
            request.params);
  return {request.w - shift.x, shift.iterations, shift.residual,
          curved.rows() * shift.iterations + after.rows() + (influence ? before.rows() : 0)};
}

}  // namespace modeldiff::newton
