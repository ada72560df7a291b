#include "quasi_hessian.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace modeldiff::deltagrad {
namespace {

/// Singular values of S below this share of the largest count as 0, whatever the rounding of Y.
constexpr double kDependent = 1e-10;
/// ... or below so many roundings of Y: what is divided by them is noise.
constexpr double kRoundings = 10;

}  // namespace

QuasiHessian::QuasiHessian(QuasiHessianKind kind, std::int64_t most_pairs, std::int64_t parameters,
                           double rounding)
    : kind_(kind),
      most_(most_pairs),
      dependent_(std::max(kDependent, kRoundings * rounding)),
      s_(at::empty({most_pairs, parameters}, at::kDouble)),
      y_(at::empty({most_pairs, parameters}, at::kDouble)) {}

bool QuasiHessian::add(const at::Tensor& s, const at::Tensor& y, std::int64_t step, double least) {
  const double norm = s.norm().item<double>();
  const double curvature = s.dot(y).item<double>();
  if (!(norm > 0) || !std::isfinite(y.norm().item<double>()) ||
      !(curvature >= least * norm * norm)) {
    return false;
  }
  if (size() == most_) forget_oldest();
  s_[size()].copy_(s).div_(norm);
  y_[size()].copy_(y).div_(norm);
  sigma_ = curvature / (norm * norm);
  steps_.push_back(step);
  factorise();
  return true;
}

void QuasiHessian::forget_oldest() {
  const std::int64_t left = size() - 1;
  for (at::Tensor* kept : {&s_, &y_}) {
    for (std::int64_t i = 0; i < left; ++i) (*kept)[i].copy_((*kept)[i + 1]);
  }
  steps_.pop_front();
}

void QuasiHessian::forget_before(std::int64_t step) {
  bool changed = false;
  while (!steps_.empty() && steps_.front() < step) {
    forget_oldest();
    changed = true;
  }
  if (changed && size() > 0) factorise();
}

void QuasiHessian::factorise() {
  const at::Tensor s = s_.narrow(0, 0, size()), y = y_.narrow(0, 0, size());
  if (kind_ != QuasiHessianKind::compact_bfgs) {
    // S = Q R, R = U Sigma V': of S'S the small singular values would be lost to rounding.
    const auto [q, r] = at::linalg_qr(s.t());
    const auto [u, values, vt] = at::linalg_svd(r);
    const std::int64_t rank =
        (values > dependent_ * values[0].item<double>()).sum().item<std::int64_t>();
    basis_ = q;
    const at::Tensor kept = u.narrow(1, 0, rank).t();
    within_ = kept.t().matmul(kept);
    combine_ = (vt.narrow(0, 0, rank).t() / values.narrow(0, 0, rank)).matmul(kept);
    return;
  }
  const at::Tensor products = s.matmul(y.t());  // A = S'Y
  const at::Tensor lower = products.tril(-1);
  const at::Tensor middle = at::cat({at::cat({-products.diagonal().diag(), lower.t()}, 1),
                                     at::cat({lower, sigma_ * s.matmul(s.t())}, 1)});
  std::tie(lu_, pivots_) = at::linalg_lu_factor(middle);
}

at::Tensor QuasiHessian::times(const at::Tensor& v) const {
  return kind_ == QuasiHessianKind::compact_bfgs ? compact(v) : multisecant(v);
}

at::Tensor QuasiHessian::multisecant(const at::Tensor& v) const {
  const at::Tensor inside = basis_.t().mv(v);
  const at::Tensor beside = v - basis_.mv(within_.mv(inside));
  return (base_ ? base_(beside) : beside.mul(sigma_))
      .addmv_(y_.narrow(0, 0, size()).t(), combine_.mv(inside));
}

at::Tensor QuasiHessian::compact(const at::Tensor& v) const {
  const std::int64_t m = size();
  const at::Tensor s = s_.narrow(0, 0, m), y = y_.narrow(0, 0, m);
  const at::Tensor right = at::cat({y.mv(v), sigma_ * s.mv(v)}).unsqueeze(1);
  const at::Tensor x = at::linalg_lu_solve(lu_, pivots_, right).squeeze(1);
  const at::Tensor of_y = x.narrow(0, 0, m), of_s = x.narrow(0, m, m);
  return (v - s.t().mv(of_s)).mul_(sigma_).sub_(y.t().mv(of_y));
}

}  // namespace modeldiff::deltagrad
