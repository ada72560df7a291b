#include "analysis/subset_residuals.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/random/chi_squared_distribution.hpp>
#include <cmath>
#include <optional>

#include "analysis/lanczos.h"
#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"
#include "modeldiff/tensors.h"

namespace modeldiff {
namespace {

/// Values below this share of the first are rounding.
constexpr double kSmallestOfFirst = 1e-6;

void check_side(const NoisyScores& side, const char* name) {
  if (side.scores.dim() != 2 || side.output_covariance.dim() != 2 ||
      side.output_covariance.size(0) != side.scores.size(0) ||
      side.output_covariance.size(1) != side.scores.size(0)) {
    throw ShapeError(
        fmt::format("scores {} [queries, training examples] of {} do not fit its covariance {} "
                    "[queries, queries]",
                    shape_text(side.scores), name, shape_text(side.output_covariance)));
  }
  if (!(side.noise_scale > 0) || side.runs < 2) {
    throw ShapeError(
        fmt::format("the noise scale of {} must be above 0 and its runs at least 2, got {} and {}",
                    name, side.noise_scale, side.runs));
  }
}

void check_same_shape(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes()) {
    throw ShapeError(
        fmt::format("scores of A and B differ in shape: {} and {}", shape_text(a), shape_text(b)));
  }
}

[[noreturn]] void refuse_noise(double common) {
  throw NumericalError(fmt::format(
      "scores of B are noise alone: less their noise, their squares sum to {:.4g}; more "
      "subset runs are needed",
      common));
}

[[noreturn]] void refuse_no_difference(std::int64_t count) {
  throw NumericalError(
      fmt::format("the residual has no direction, {} were asked for; A and B use the training "
                  "examples alike, or there are too few subset runs",
                  count));
}

double product(const at::Tensor& x, const at::Tensor& y) { return (x * y).sum().item<double>(); }

double total_variance(const at::Tensor& matrix) {
  return matrix.to(at::kDouble).trace().item<double>();
}

double largest_singular_value(const at::Tensor& matrix) {
  const at::Tensor rows = matrix.to(at::kFloat).contiguous();
  LanczosSolver solver(rows.size(1));
  return solver.largest_singular_value(rows.const_data_ptr<float>(), rows.size(0));
}

/// A square root of a positive semidefinite matrix that may be singular: X X' = covariance.
at::Tensor square_root(const at::Tensor& covariance) {
  auto [values, vectors] = at::linalg_eigh(covariance);
  return vectors * values.clamp_min(0).sqrt();
}

/// A such that A A' is a draw of the covariance estimated from `freedom` + 1 standard normal
/// vectors, by Bartlett's decomposition of the Wishart distribution.
/// @return [size, min(size, freedom)]
at::Tensor wishart_factor(std::int64_t size, std::int64_t freedom, RandomStream& random) {
  const std::int64_t columns = std::min(size, freedom);
  at::Tensor out = at::zeros({size, columns}, at::kDouble);
  auto entries = out.accessor<double, 2>();
  for (std::int64_t j = 0; j < columns; ++j) {
    boost::random::chi_squared_distribution<double> square(static_cast<double>(freedom - j));
    entries[j][j] = std::sqrt(square(random));
    for (std::int64_t i = j + 1; i < size; ++i) entries[i][j] = random.normal();
  }
  return out / std::sqrt(static_cast<double>(freedom));
}

/// Values, descending, with the unit vectors that belong to them.
struct Spectrum {
  at::Tensor values;   // [J]
  at::Tensor vectors;  // [J, n]
};

/// The first `count` that are no rounding.
Spectrum leading(const at::Tensor& values, const at::Tensor& vectors, std::int64_t count) {
  const double least = kSmallestOfFirst * values[0].item<double>();
  const std::int64_t rank = values.gt(std::max(least, 0.0)).sum().item<std::int64_t>();
  if (rank == 0) refuse_no_difference(count);
  const std::int64_t kept = std::min(count, rank);
  return {values.narrow(0, 0, kept), vectors.narrow(0, 0, kept)};
}

/// R with Gaussian noise of known covariance, whitened or not.
class NoiseResidual final : public SubsetResidual {
 public:
  /// @param shrinkage of the whitening; none: rows are not whitened
  NoiseResidual(const SubsetSides& sides, std::optional<double> shrinkage) : shrinkage_(shrinkage) {
    check_side(sides.a, "A");
    check_side(sides.b, "B");
    check_same_shape(sides.a.scores, sides.b.scores);
    a_ = sides.a.scores.to(at::kDouble);
    b_ = sides.b.scores.to(at::kDouble);
    const auto examples = static_cast<double>(a_.size(1));
    const at::Tensor shared = sides.cross_covariance.defined()
                                  ? sides.cross_covariance.to(at::kDouble) * sides.a.noise_scale
                                  : at::Tensor();
    const double common = product(b_, b_) - examples * sides.b.noise_scale *
                                                total_variance(sides.b.output_covariance);
    if (!(common > 0)) refuse_noise(common);
    coefficient_ =
        (product(a_, b_) - (shared.defined() ? examples * total_variance(shared) : 0.0)) / common;
    b_ = b_ * coefficient_;
    const at::Tensor of_a = sides.a.output_covariance.to(at::kDouble) * sides.a.noise_scale;
    const at::Tensor of_b = sides.b.output_covariance.to(at::kDouble) *
                            (coefficient_ * coefficient_ * sides.b.noise_scale);
    covariance_ = of_a + of_b;
    if (shared.defined()) {
      covariance_ = covariance_ - coefficient_ * (shared + shared.t());
      sources_ = {{square_root(covariance_), sides.a.runs - 1}};
    } else {
      sources_ = {{square_root(of_a), sides.a.runs - 1}, {square_root(of_b), sides.b.runs - 1}};
    }
    cholesky_ = cholesky_of(covariance_);
  }

  double coefficient() const override { return coefficient_; }

  DirectionSet directions(std::int64_t count) const override {
    const at::Tensor white = whiten(cholesky_, a_ - b_);
    const Spectrum found = spectrum(white, count);
    return describe_directions(found.vectors, found.values, white.square().sum(),
                               {a_ - b_, a_, b_});
  }

  std::vector<double> null(std::int64_t draws, std::uint64_t seed) const override {
    const at::Tensor root = square_root(covariance_);
    std::vector<double> out;
    for (std::int64_t draw = 0; draw < draws; ++draw) {
      RandomStream random(seed, "residual-null", static_cast<std::uint64_t>(draw));
      const at::Tensor drawn_root = drawn_covariance_root(random);
      const at::Tensor drawn = at::matmul(drawn_root, drawn_root.t());
      const at::Tensor to_rows =
          (shrinkage_ ? whiten(cholesky_of(drawn), root) : drawn_root).to(at::kFloat);
      at::Tensor noise = at::empty({to_rows.size(1), a_.size(1)}, at::kFloat);
      random.fill_normal(noise.data_ptr<float>(), noise.numel(), 1);
      out.push_back(largest_singular_value(at::matmul(to_rows, noise)));
    }
    return out;
  }

  at::Tensor directions_of(const at::Tensor& queries, std::int64_t count) const override {
    const at::Tensor covariance = covariance_.index_select(0, queries).index_select(1, queries);
    return spectrum(whiten(cholesky_of(covariance), (a_ - b_).index_select(0, queries)), count)
        .vectors;
  }

 private:
  at::Tensor cholesky_of(const at::Tensor& covariance) const {
    if (!shrinkage_) return {};
    const std::int64_t queries = covariance.size(0);
    const at::Tensor level = covariance.trace() / static_cast<double>(queries);
    auto [factor, info] = at::linalg_cholesky_ex(
        (1 - *shrinkage_) * covariance + *shrinkage_ * level * at::eye(queries, at::kDouble));
    if (info.item<int>() != 0) {
      throw NumericalError(
          fmt::format("the noise covariance of {} queries is singular with shrinkage {}", queries,
                      *shrinkage_));
    }
    return factor;
  }

  /// X with X X' a covariance estimated from as many runs as S was, if S were the truth.
  at::Tensor drawn_covariance_root(RandomStream& random) const {
    std::vector<at::Tensor> parts;
    for (const NoiseSource& source : sources_) {
      parts.push_back(
          at::matmul(source.root, wishart_factor(source.root.size(0), source.freedom, random)));
    }
    return at::cat(parts, 1);
  }

  static at::Tensor whiten(const at::Tensor& cholesky, const at::Tensor& rows) {
    return cholesky.defined() ? at::linalg_solve_triangular(cholesky, rows, /*upper=*/false) : rows;
  }

  static Spectrum spectrum(const at::Tensor& rows, std::int64_t count) {
    auto [u, values, vectors] = at::linalg_svd(rows, /*full_matrices=*/false);
    return leading(values, vectors, count);
  }

  /// Noise of covariance root root', which is an estimate with so many degrees of freedom.
  struct NoiseSource {
    at::Tensor root;  // [N, N]
    std::int64_t freedom;
  };

  std::optional<double> shrinkage_;
  double coefficient_ = 0;
  std::vector<NoiseSource> sources_;
  at::Tensor a_, b_;       // W_A, c W_B [N, n]
  at::Tensor covariance_;  // S [N, N], not shrunk
  at::Tensor cholesky_;    // of the shrunk one; undefined: rows are not whitened
};

class CrossFitResidual final : public SubsetResidual {
 public:
  CrossFitResidual(const ScoresOfHalves& a, const ScoresOfHalves& b) {
    check_same_shape(a.first, b.first);
    const double common = product(b.first, b.second);
    if (!(common > 0)) refuse_noise(common);
    coefficient_ = (product(a.first, b.second) + product(a.second, b.first)) / (2 * common);
    first_ = (a.first - coefficient_ * b.first).to(at::kDouble);
    second_ = (a.second - coefficient_ * b.second).to(at::kDouble);
    a_ = (a.first + a.second).to(at::kDouble) / 2;
    b_ = (b.first + b.second).to(at::kDouble) * (coefficient_ / 2);
  }

  double coefficient() const override { return coefficient_; }

  DirectionSet directions(std::int64_t count) const override {
    const Spectrum found = spectrum(first_, second_, count);
    return describe_directions(found.vectors, found.values, (a_ - b_).square().sum(),
                               {a_ - b_, a_, b_});
  }

  std::vector<double> null(std::int64_t draws, std::uint64_t seed) const override {
    std::vector<double> out;
    at::Tensor signs = at::empty({second_.size(1)}, at::kDouble);
    for (std::int64_t draw = 0; draw < draws; ++draw) {
      RandomStream random(seed, "cross-fit-null", static_cast<std::uint64_t>(draw));
      for (std::int64_t i = 0; i < signs.numel(); ++i)
        signs.data_ptr<double>()[i] = random.below(2) == 1 ? 1 : -1;
      const at::Tensor values = at::linalg_eigvalsh(factors_of(first_, second_ * signs).core);
      out.push_back(std::sqrt(std::max(values.max().item<double>(), 0.0)));
    }
    return out;
  }

  at::Tensor directions_of(const at::Tensor& queries, std::int64_t count) const override {
    return spectrum(first_.index_select(0, queries), second_.index_select(0, queries), count)
        .vectors;
  }

 private:
  /// (R1'R2 + R2'R1)/2 = X' K X with X the rows of both: its eigenvalues are those of T K T' where
  /// X' = Q T.
  struct Factors {
    at::Tensor q;     // [n, k]
    at::Tensor core;  // [k, k], symmetric
  };

  static Factors factors_of(const at::Tensor& first, const at::Tensor& second) {
    const std::int64_t queries = first.size(0);
    auto [q, t] = at::linalg_qr(at::cat({first, second}).t());
    const at::Tensor crossed =
        at::matmul(t.narrow(1, 0, queries), t.narrow(1, queries, queries).t());
    return {q, (crossed + crossed.t()) / 2};
  }

  static Spectrum spectrum(const at::Tensor& first, const at::Tensor& second, std::int64_t count) {
    const Factors factors = factors_of(first, second);
    auto [values, vectors] = at::linalg_eigh(factors.core);
    const Spectrum found =
        leading(values.flip(0), at::matmul(factors.q, vectors.flip(1)).t().contiguous(), count);
    return {found.values.sqrt(), found.vectors};
  }

  double coefficient_ = 0;
  at::Tensor first_, second_;  // R1, R2 [N, n]
  at::Tensor a_, b_;           // W_A, c W_B [N, n] of all runs
};

}  // namespace

SubsetResidual::~SubsetResidual() = default;

std::unique_ptr<SubsetResidual> whitened_residual(const SubsetSides& sides, double shrinkage) {
  if (!(shrinkage >= 0 && shrinkage < 1)) {
    throw ShapeError(fmt::format("the shrinkage must be in [0, 1), got {}", shrinkage));
  }
  return std::make_unique<NoiseResidual>(sides, shrinkage);
}

std::unique_ptr<SubsetResidual> plain_residual(const SubsetSides& sides) {
  return std::make_unique<NoiseResidual>(sides, std::nullopt);
}

std::unique_ptr<SubsetResidual> cross_fit_residual(const ScoresOfHalves& a,
                                                   const ScoresOfHalves& b) {
  return std::make_unique<CrossFitResidual>(a, b);
}

}  // namespace modeldiff
