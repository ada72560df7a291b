#include "analysis/directions.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <utility>

#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"
#include "modeldiff/tensors.h"

namespace modeldiff {
namespace {

constexpr double kSmallestOfFirst = 1e-6;
/// Singular values below this many roundings of unit rows are rounding themselves.
constexpr double kRoundings = 8;

struct Decomposition {
  at::Tensor singular_values;  // [rank], descending
  at::Tensor right;            // [rank or count, n]
};

at::Tensor centred(const at::Tensor& rows) { return rows - rows.mean(0, /*keepdim=*/true); }

/// Right singular vectors by way of the Gram matrix of the rows, which are fewer than the columns
/// as a rule.
/// @param floor smallest singular value that counts
Decomposition decompose(const at::Tensor& matrix, std::int64_t count, double floor) {
  auto [eigenvalues, left] = at::linalg_eigh(at::matmul(matrix, matrix.t()));
  const at::Tensor s = eigenvalues.flip(0).clamp_min(0).sqrt();
  const double smallest = std::max(kSmallestOfFirst * s[0].item<double>(), floor);
  const std::int64_t rank = s.ge(smallest).sum().item<std::int64_t>();
  const std::int64_t found = std::min(rank, count);
  const at::Tensor u = left.flip(1).narrow(1, 0, found);
  // v = R'u/s loses orthogonality with the square of s_1/s; QR gives it back and leaves the order.
  at::Tensor v = at::matmul(matrix.t(), u) / s.narrow(0, 0, found);
  at::Tensor orthonormal = std::get<0>(at::linalg_qr(v));
  orthonormal = orthonormal * (orthonormal * v).sum(0).sign();
  return {s.narrow(0, 0, rank), orthonormal.t().contiguous()};
}

at::Tensor with_positive_skew(const at::Tensor& directions) {
  const at::Tensor negative = directions.pow(3).sum(1, /*keepdim=*/true).lt(0);
  return at::where(negative, -directions, directions);
}

double rounding_floor(const UnitRows& rows) {
  const double epsilon = rows.a.scalar_type() == at::kFloat
                             ? std::numeric_limits<float>::epsilon()
                             : std::numeric_limits<double>::epsilon();
  return kRoundings * epsilon * std::sqrt(static_cast<double>(rows.a.size(0)));
}

}  // namespace

DirectionSet find_directions(const UnitRows& rows, std::int64_t count, const Basis& basis) {
  if (rows.a.size(0) < 2 || rows.a.size(1) < 2) {
    throw ShapeError(
        fmt::format("directions need at least 2 queries and 2 training examples, got {} and {}",
                    rows.a.size(0), rows.a.size(1)));
  }
  if (count < 1)
    throw ShapeError(fmt::format("the number of directions must be at least 1, got {}", count));

  const at::Tensor r = residual(rows).to(at::kDouble);
  const at::Tensor r_centred = centred(r);
  const Decomposition parts = decompose(r_centred, count, rounding_floor(rows));
  const std::int64_t rank = parts.singular_values.size(0);
  if (rank < count) {
    throw NumericalError(fmt::format(
        "the residual of {} queries has {} directions, {} were asked for{}", rows.a.size(0), rank,
        count, rank == 0 ? "; A and B use the training examples alike" : ""));
  }
  const at::Tensor principal = with_positive_skew(parts.right);
  at::Tensor found = principal, values = parts.singular_values.narrow(0, 0, count).clone();
  if (basis) {
    found = basis(r_centred, principal);
    const at::Tensor lengths = at::matmul(found, r_centred.t()).norm(2, 1);
    const at::Tensor order = lengths.argsort(/*stable=*/true, 0, /*descending=*/true);
    found = found.index_select(0, order);
    values = lengths.index_select(0, order);
  }
  DirectionSet out =
      describe_directions(found, values, r_centred.square().sum(), {r, rows.a, rows.b});
  out.principal = principal;
  out.rank = rank;
  return out;
}

DirectionSet describe_directions(const at::Tensor& found, const at::Tensor& values,
                                 const at::Tensor& variance, const ResidualParts& parts) {
  DirectionSet out;
  out.examples = out.principal = with_positive_skew(found);
  out.singular_values = values;
  out.queries = at::matmul(out.examples, parts.residual.t());
  out.shares = values.square() / variance;
  out.explained_a = explained_variance(parts.a, out.examples);
  out.explained_b = explained_variance(parts.b, out.examples);
  out.rank = values.size(0);
  return out;
}

at::Tensor explained_variance(const at::Tensor& rows, const at::Tensor& directions) {
  if (rows.dim() != 2 || directions.dim() != 2 || rows.size(1) != directions.size(1)) {
    throw ShapeError(
        fmt::format("rows {} and directions {} are not over the same training examples",
                    shape_text(rows), shape_text(directions)));
  }
  const at::Tensor x = centred(rows.to(at::kDouble));
  return at::matmul(x, directions.to(at::kDouble).t()).square().mean(0);
}

at::Tensor direction_stability(const at::Tensor& examples, std::int64_t queries,
                               const DirectionsOfQueries& directions_of, std::int64_t draws,
                               std::uint64_t seed) {
  if (draws < 1)
    throw ShapeError(fmt::format("the number of draws must be at least 1, got {}", draws));
  at::Tensor total = at::zeros({examples.size(0)}, at::kDouble);
  for (std::int64_t draw = 0; draw < draws; ++draw) {
    RandomStream random(seed, "direction-stability", static_cast<std::uint64_t>(draw));
    at::Tensor drawn = at::empty({queries}, at::kLong);
    for (std::int64_t q = 0; q < queries; ++q) {
      drawn.data_ptr<std::int64_t>()[q] =
          static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(queries)));
    }
    const at::Tensor found = directions_of(drawn);
    if (found.size(0) == 0) continue;  // the draw has one query many times: nothing came back
    total += at::matmul(examples, found.t()).abs().amax(1);
  }
  return total / static_cast<double>(draws);
}

at::Tensor direction_stability(const UnitRows& rows, const DirectionSet& directions,
                               std::int64_t draws, std::uint64_t seed, const Basis& basis) {
  const at::Tensor r = residual(rows).to(at::kDouble);
  const auto of_queries = [&](const at::Tensor& drawn) {
    const at::Tensor r_drawn = centred(r.index_select(0, drawn));
    const at::Tensor principal =
        decompose(r_drawn, directions.examples.size(0), rounding_floor(rows)).right;
    return basis && principal.size(0) > 0 ? basis(r_drawn, principal) : principal;
  };
  return direction_stability(directions.examples, r.size(0), of_queries, draws, seed);
}

}  // namespace modeldiff
