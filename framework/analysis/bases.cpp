#include "analysis/bases.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "modeldiff/core/error.h"
#include "modeldiff/tensors.h"

namespace modeldiff {
namespace {

constexpr double kSmallestAngle = 1e-8;
/// Power iteration ends when no weight of the unit vector moves further.
constexpr double kSmallestMove = 1e-7;
constexpr int kIterations = 200;

/// Turns the plane of x and y [n] by the angle with the largest criterion (Kaiser 1958).
/// @return the angle
double turn_plane(double* x, double* y, std::int64_t n) {
  double sum_u = 0, sum_v = 0, squares = 0, products = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const double u = x[i] * x[i] - y[i] * y[i];
    const double v = 2 * x[i] * y[i];
    sum_u += u;
    sum_v += v;
    squares += u * u - v * v;
    products += 2 * u * v;
  }
  const auto count = static_cast<double>(n);
  const double angle = std::atan2(products - 2 * sum_u * sum_v / count,
                                  squares - (sum_u * sum_u - sum_v * sum_v) / count) /
                       4;
  const double cosine = std::cos(angle);
  const double sine = std::sin(angle);
  for (std::int64_t i = 0; i < n; ++i) {
    const double turned = cosine * x[i] + sine * y[i];
    y[i] = cosine * y[i] - sine * x[i];
    x[i] = turned;
  }
  return angle;
}

/// Soft threshold of w [n] at the largest |w_i| below the k-th largest; 0 when there is none.
at::Tensor keep_largest(const at::Tensor& w, std::int64_t k) {
  const at::Tensor sizes = w.abs();
  const at::Tensor least = std::get<0>(sizes.topk(k))[k - 1];
  const at::Tensor below = at::where(sizes.lt(least), sizes, 0.0).max();
  return w.sign() * (sizes - below).clamp_min(0);
}

at::Tensor sparse_direction(const at::Tensor& rows, std::int64_t nonzeros) {
  const at::Tensor gram = at::matmul(rows, rows.t());
  at::Tensor u = std::get<1>(at::linalg_eigh(gram)).select(1, -1);
  at::Tensor v = at::zeros({rows.size(1)}, at::kDouble);
  for (int iteration = 0; iteration < kIterations; ++iteration) {
    const at::Tensor kept = keep_largest(at::matmul(u, rows), nonzeros);
    const at::Tensor next = kept / kept.norm();
    const double move = (next - v).abs().max().item<double>();
    v = next;
    if (move < kSmallestMove) break;
    const at::Tensor image = at::matmul(rows, v);
    u = image / image.norm();
  }
  return v;
}

}  // namespace

double varimax_criterion(const at::Tensor& directions) {
  const at::Tensor squares = directions.to(at::kDouble).square();
  return (squares.square().mean(1) - squares.mean(1).square()).sum().item<double>();
}

at::Tensor varimax(const at::Tensor& directions, int sweeps) {
  at::Tensor out = directions.to(at::kDouble).contiguous().clone();
  const std::int64_t count = out.size(0);
  const std::int64_t n = out.size(1);
  auto* rows = out.data_ptr<double>();
  for (int sweep = 0; sweep < sweeps; ++sweep) {
    double largest = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      for (std::int64_t j = i + 1; j < count; ++j)
        largest = std::max(largest, std::abs(turn_plane(rows + i * n, rows + j * n, n)));
    }
    if (largest < kSmallestAngle) break;
  }
  return out;
}

at::Tensor sparse_directions(const at::Tensor& rows, std::int64_t count, std::int64_t nonzeros) {
  if (nonzeros < 1 || nonzeros > rows.size(1)) {
    throw ShapeError(fmt::format("a direction over {} training examples cannot have {} nonzeros",
                                 rows.size(1), nonzeros));
  }
  at::Tensor left = rows.to(at::kDouble).clone();
  std::vector<at::Tensor> out;
  for (std::int64_t j = 0; j < count; ++j) {
    out.push_back(sparse_direction(left, nonzeros));
    left -= at::outer(at::matmul(left, out.back()), out.back());
  }
  return at::stack(out);
}

}  // namespace modeldiff
