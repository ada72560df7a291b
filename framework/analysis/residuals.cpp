#include "analysis/residuals.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "modeldiff/core/error.h"
#include "modeldiff/tensors.h"

namespace modeldiff {
namespace {

void check_pair(const at::Tensor& a, const at::Tensor& b) {
  if (a.dim() != 2 || b.dim() != 2 || a.sizes() != b.sizes()) {
    throw ShapeError(
        fmt::format("scores of A and B must be two matrices [queries, training examples] of one "
                    "shape, got {} and {}",
                    shape_text(a), shape_text(b)));
  }
  if (a.scalar_type() != b.scalar_type() || !a.is_floating_point()) {
    throw ShapeError(
        fmt::format("scores of A and B must have one floating point type, got {} and {}",
                    shape_text(a), shape_text(b)));
  }
}

/// Lengths of rows in float64. @return [N]
at::Tensor row_lengths(const at::Tensor& scores, const char* side) {
  const at::Tensor lengths =
      at::linalg_vector_norm(scores, 2, at::IntArrayRef{1}, false, at::kDouble);
  const at::Tensor bad = at::isfinite(lengths).logical_not();
  if (bad.any().item<bool>()) {
    throw NumericalError(fmt::format("scores of {} are not finite, first for query {}", side,
                                     bad.nonzero().index({0, 0}).item<std::int64_t>()));
  }
  return lengths;
}

at::Tensor without_projection(const at::Tensor& x, const at::Tensor& unit) {
  return x - (x * unit).sum(1, /*keepdim=*/true) * unit;
}

}  // namespace

UnitRows unit_rows(const at::Tensor& a, const at::Tensor& b) {
  check_pair(a, b);
  const at::Tensor length_a = row_lengths(a, "A");
  const at::Tensor length_b = row_lengths(b, "B");
  const auto long_enough = [](const at::Tensor& lengths) {
    return lengths.gt(0).logical_and(lengths.ge(lengths.median() * kSmallestOfMedian));
  };
  if (a.numel() == 0) throw ShapeError(fmt::format("no scores to compare: {}", shape_text(a)));

  UnitRows out;
  out.kept = long_enough(length_a).logical_and(long_enough(length_b)).nonzero().squeeze(1);
  out.dropped = a.size(0) - out.kept.size(0);
  if (out.kept.size(0) == 0) {
    throw NumericalError(fmt::format(
        "none of the {} queries has scores other than 0 under both A and B", a.size(0)));
  }
  const auto scaled = [&](const at::Tensor& x, const at::Tensor& lengths) {
    const at::Tensor rows = x.index_select(0, out.kept).to(at::kDouble);
    return rows.div_(lengths.index_select(0, out.kept).unsqueeze(1)).to(x.scalar_type());
  };
  out.a = scaled(a, length_a);
  out.b = scaled(b, length_b);
  return out;
}

at::Tensor residual(const UnitRows& rows) { return without_projection(rows.a, rows.b); }

at::Tensor residual_of_b(const UnitRows& rows) { return without_projection(rows.b, rows.a); }

at::Tensor row_cosines(const UnitRows& rows) {
  return (rows.a.to(at::kDouble) * rows.b.to(at::kDouble)).sum(1).clamp(-1, 1);
}

}  // namespace modeldiff
