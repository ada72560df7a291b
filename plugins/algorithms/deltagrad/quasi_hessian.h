#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <utility>

#include "deltagrad_params.h"

namespace modeldiff::deltagrad {

/// Products H v with an approximation of the mean Hessian of the data, from differences s of weights
/// and y of mean gradients along a run. Vectors are [p] float64.
///
/// compact_bfgs: Byrd, Nocedal and Schnabel 1994, Theorem 2.3, from B0 = sigma I with
///   sigma = y's / s's of the newest pair; the same as m updates of BFGS. Its newest secant holds
///   exactly, the older ones do not.
/// multisecant: H v = Y a + sigma (v - S a), a = argmin |S a - v|: exact on the span of S where the
///   loss is quadratic. Not symmetric.
/// multisecant_kfac: the same with a base B in place of sigma.
class QuasiHessian {
 public:
  /// @param rounding relative, of the gradients
  QuasiHessian(QuasiHessianKind kind, std::int64_t most_pairs, std::int64_t parameters,
               double rounding = 0);

  /// Keeps a pair, and lets the oldest go when there are too many. Refuses one of a curvature
  /// s'y below `least` |s|^2, or not finite.
  /// @return whether it was kept
  bool add(const at::Tensor& s, const at::Tensor& y, std::int64_t step, double least = 1e-10);
  /// Lets pairs go that were made before `step`.
  void forget_before(std::int64_t step);
  std::int64_t size() const { return static_cast<std::int64_t>(steps_.size()); }
  /// Of multisecant_kfac: what stands for the Hessian beside the pairs, v -> B v.
  void set_base(std::function<at::Tensor(const at::Tensor&)> base) { base_ = std::move(base); }
  /// @pre size() > 0
  at::Tensor times(const at::Tensor& v) const;

 private:
  void forget_oldest();
  void factorise();
  at::Tensor compact(const at::Tensor& v) const;
  at::Tensor multisecant(const at::Tensor& v) const;

  QuasiHessianKind kind_;
  std::int64_t most_;
  double dependent_;
  std::deque<std::int64_t> steps_;
  /// [most, p], oldest first; both of a pair are scaled by 1 / |s|.
  at::Tensor s_, y_;
  double sigma_ = 0;
  std::function<at::Tensor(const at::Tensor&)> base_;
  /// multisecant: S = Q R; `within` [m, m] projects on what is kept of the span of S, in the basis
  /// Q, and `combine` [m, m] is the pseudo-inverse of R.
  at::Tensor basis_, within_, combine_;
  /// compact_bfgs: LU of the middle matrix and its pivots.
  at::Tensor lu_, pivots_;
};

}  // namespace modeldiff::deltagrad
